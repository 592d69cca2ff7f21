-- The reading that holds, of each response that was ever read otherwise than at first.
create or replace view store.current_reading as
select attempt_id, reading, parser, state, outcome, error, trace_id
from store.readings_parquet
semi join (
    select attempt_id, max(reading) as reading from store.readings_parquet group by attempt_id
) using (attempt_id, reading);
