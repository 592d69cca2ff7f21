-- Rows of other teachers that a judging kept on the word of a withdrawn reply of an LLM judge.
create or replace temp table on_its_word as
select distinct v.dataset, v.judge_run, v.trace_id
from store.verdicts_parquet as v
where v.outcome = 'kept'
    and contains(v.signals, '"opinion_id"')
    and v.signals::json ->> '$.answer.opinion_id' in (select trace_id from withdrawn)
    and v.trace_id not in (select trace_id from withdrawn where trace_id is not null)
