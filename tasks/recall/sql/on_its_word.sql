-- Rows of other teachers that a judging kept on the word of a withdrawn reply of an LLM judge. Replies are what answers the plans of
-- `<dataset>+judge`: where nothing that is withdrawn does, no verdict is read.
create or replace temp table on_its_word as
with judged as (
    select distinct dataset from store.plan where ends_with(dataset, '+judge')
),
reply as (
    select distinct trace_id
    from withdrawn
    semi join (select request_key from store.plans_parquet semi join judged using (dataset)) using (request_key)
    where trace_id is not null
)
select distinct v.dataset, v.judge_run, v.trace_id
from (
    select dataset, judge_run, trace_id, signals::json ->> '$.answer.opinion_id' as opinion_id
    from store.verdicts_parquet
    where outcome = 'kept' and contains(signals, '"opinion_id"')
) as v
semi join reply on reply.trace_id = v.opinion_id
anti join (select trace_id from withdrawn where trace_id is not null) as w on w.trace_id = v.trace_id
