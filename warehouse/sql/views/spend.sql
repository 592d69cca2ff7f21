-- What was asked and paid, a row a dataset, teacher and UTC day; as it was first read: reading again changes no bill.
create or replace view spend as
select
    cast(coalesce(sent_at, received_at) as date) as day,
    dataset,
    teacher,
    bool_or(simulated) as simulated,
    count(*) as requests,
    count(*) filter (where state = 'paid') as paid,
    count(*) filter (where state = 'failed') as failed,
    count(*) filter (where state = 'maybe_paid') as maybe_paid,
    coalesce(sum(prompt_tokens) filter (where state <> 'maybe_paid'), 0)::bigint as prompt_tokens,
    coalesce(sum(completion_tokens) filter (where state <> 'maybe_paid'), 0)::bigint as completion_tokens,
    coalesce(sum(reasoning_tokens) filter (where state <> 'maybe_paid'), 0)::bigint as reasoning_tokens,
    coalesce(sum(cost_usd) filter (where state <> 'maybe_paid'), 0)::double as usd,
    count(*) filter (where state = 'paid' and cost_usd is null) as unpriced,
    coalesce(sum(worst_tokens) filter (where state = 'maybe_paid'), 0)::bigint as maybe_paid_worst_tokens,
    coalesce(sum(worst_cost_usd) filter (where state = 'maybe_paid'), 0)::double as maybe_paid_worst_usd
from store.ledger_parquet
group by all;

comment on view spend is 'What was asked and paid, a row a day, dataset and teacher.';
comment on column spend.day is 'The UTC day of sending';
comment on column spend.dataset is 'The dataset whose runs asked';
comment on column spend.teacher is 'The registry''s name of the teacher';
comment on column spend.simulated is 'True for the simulated teacher';
comment on column spend.requests is 'HTTP requests: paid + failed + maybe_paid';
comment on column spend.paid is 'Requests that brought a response';
comment on column spend.failed is 'Requests that failed';
comment on column spend.maybe_paid is 'Requests interrupted in flight';
comment on column spend.prompt_tokens is 'Tokens of requests, maybe_paid apart';
comment on column spend.completion_tokens is 'Tokens of responses';
comment on column spend.reasoning_tokens is 'Tokens of reasoning within them, where reported';
comment on column spend.usd is 'Dollars, maybe_paid apart; see unpriced';
comment on column spend.unpriced is 'Paid requests whose price is unknown, which usd does not count';
comment on column spend.maybe_paid_worst_tokens is 'The most tokens that the maybe_paid requests can have cost';
comment on column spend.maybe_paid_worst_usd is 'The most dollars that the maybe_paid requests can have cost';
