-- Of prompts with more good traces than are kept: each with its sketch, best first.
with crowded as (
    select prompt_id from standing where not is_duplicate and not is_template group by prompt_id having count(*) > $keep
)
select s.prompt_id, s.place, s.is_right, j.digest
from standing as s
semi join crowded using (prompt_id)
join survivor as v using (place)
join read_parquet($judged, filename = true, file_row_number = true) as j
    on j.filename = v.file and j.file_row_number = v.file_row
where not s.is_duplicate and not s.is_template
order by s.prompt_id, s.place
