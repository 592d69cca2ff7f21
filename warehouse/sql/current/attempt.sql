-- The ledger as it is read now. What was billed is as it was first read: no later parser changes usage, cost or worst case.
create or replace view store.current_attempt as
select
    a.* replace (
        coalesce(r.state, a.state) as state,
        coalesce(r.outcome, a.outcome) as outcome,
        case when r.attempt_id is null then a.error else r.error end as error,
        coalesce(r.parser, a.parser, 1) as parser
    ),
    coalesce(r.reading, 0) as reading,
    c.recalled_by
from store.ledger_parquet as a
left join store.current_reading as r on r.attempt_id = a.attempt_id
left join store.current_recalled as c on c.attempt_id = a.attempt_id;
