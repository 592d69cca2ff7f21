-- The recall that withdrew an attempt; of several the earliest.
create or replace view store.current_recalled as
select attempt_id, arg_min(recall_id, (recalled_at, recall_id)) as recalled_by
from store.recalled_parquet
where attempt_id is not null
group by attempt_id;
