-- What row-wise rules, vote and pass rate let through and no screen holds back, best first: right before unchecked or wrong, complete
-- before truncated, then by id.
create temp table survivor as
select
    row_number() over (
        order by j.is_right or coalesce(v.is_elected, false) desc, j.is_complete desc, j.trace_id
    ) as place,
    j.trace_id,
    j.prompt_id,
    j.is_right or coalesce(v.is_elected, false) as is_right,
    text_hash,
    teacher,
    words,
    numbers,
    filename as file,
    file_row_number as file_row
from read_parquet($judged, filename = true, file_row_number = true) as j
left join vote as v using (trace_id)
left join pass_rate as p using (trace_id)
where p.reason is null and coalesce(v.outcome, j.outcome) = 'kept' and trace_id not in (select trace_id from held)
