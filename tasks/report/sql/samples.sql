-- One row for each sample that the plan wants, with its verdict in this judging and whether the version holds it. `said` is what
-- the rules measured, each signal parsed once. `draw` orders by hash, so that choices depend on nothing but the trace.
create or replace temp table sample as
with planned as (
    select distinct request_key, prompt_id, teacher
    from store.plans_parquet
    where plan_id = $plan_id and dataset = $dataset
),
judged as (
    select trace_id, request_key, outcome, reason, rule, details, signals::varchar as signals
    from verdicts
    where judge_run = $judge_run and dataset = $dataset
),
held as (
    select distinct trace_id from version_rows where version = $version
),
family as (
    select prompt_id, min(family) as family from prompts group by prompt_id
)
select
    p.teacher,
    p.request_key,
    p.prompt_id,
    f.family,
    j.trace_id,
    j.outcome,
    j.reason,
    j.rule,
    j.details,
    from_json(j.signals, $shape) as said,
    h.trace_id is not null as is_published,
    j.outcome = 'kept' or coalesce(j.rule in ('duplicate', 'per_prompt'), false) as is_passed,
    md5(j.trace_id) as draw,
    t.teacher_model,
    t.terms_sha256,
    t.simulated,
    t.cost_usd,
    t.latency_s,
    t.received_at
from planned as p
left join judged as j using (request_key)
left join held as h on h.trace_id = j.trace_id
left join family as f on f.prompt_id = p.prompt_id
left join traces as t on t.trace_id = j.trace_id
