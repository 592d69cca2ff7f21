-- Near duplicates by Jaccard, in steps of 0.01.
select
    least(99, floor(said.duplicate.jaccard * 100 + 1e-9))::int as step,
    count(*) filter (where not coalesce(rule = 'duplicate', false)) as noted,
    count(*) filter (where coalesce(rule = 'duplicate', false)) as lost
from sample
where said.duplicate.kind = 'near'
group by step
order by step
