-- What a recall withdrew, as `reach.fill` makes it of a selection. A trace is shared where an attempt that no recall withdrew brought it.
create or replace temp table withdrawn as
with elsewhere as (
    select distinct trace_id from store.traces_parquet anti join store.recalled_parquet using (attempt_id)
)
select
    reach,
    attempt_id,
    trace_id,
    coalesce(trace_id in (select trace_id from elsewhere), false) as is_shared,
    prompt_id,
    teacher,
    marks
from store.recalled_parquet
where recall_id = $recall_id
