-- The sides that this version fixes.
select $dataset as dataset, prompt_id, cluster_id, side, $version as version
from split_side
where is_new
order by prompt_id
