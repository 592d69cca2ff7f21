-- The traces as their responses are read now: at most one an attempt.
create or replace view store.current_trace as
select t.*
from store.traces_parquet as t
left join store.current_reading as r on r.attempt_id = t.attempt_id
where coalesce(t.reading, 0) = coalesce(r.reading, 0);
