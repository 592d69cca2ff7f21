-- What the row-wise rules let through and no screen holds back, best first: right before unchecked or wrong, complete before truncated, then by id.
create temp table survivor as
select
    row_number() over (order by is_right desc, is_complete desc, trace_id) as place,
    trace_id,
    prompt_id,
    text_hash,
    teacher,
    words,
    numbers,
    filename as file,
    file_row_number as file_row
from read_parquet($judged, filename = true, file_row_number = true)
where outcome = 'kept' and trace_id not in (select trace_id from held)
