-- What the current plan of each dataset wants, and how far each sample is, as its responses are read now.
--
-- Only attempts under the terms that the gate last allowed for the planned teacher count (any terms, where the gate
-- never ruled): what was answered under other terms has to be asked again. An answer is a paid attempt with a trace that
-- finished, or was truncated at no lower cap than the plan's. Of several, the best is taken: finished first, then the
-- highest cap, then the earliest. Without an answer, the latest attempt says the status: interrupted is maybe_paid, a
-- trace that was truncated at a lower cap is not_asked, all else is failed. What was recalled counts as never asked.
create or replace view wanted as
with allowed as (
    select teacher, arg_max(terms_sha256, ("at", decision_id)) as terms_sha256
    from store.decision
    where verdict = 'allow' and purpose = 'ask'
    group by teacher
),
planned as (
    select distinct w.plan_id, w.dataset, w.request_key, w.prompt_id, w.sample_index, w.teacher, w.max_tokens, a.terms_sha256
    from store.plans_parquet as w
    join store.plan as p using (plan_id, dataset)
    left join allowed as a using (teacher)
    where p.is_current
),
tried as (
    select
        a.request_key, a.attempt_id, a.dataset as asked_by, a.state, a.outcome, a.terms_sha256, a.error, a.sent_at,
        t.trace_id, t.outcome as trace_outcome, t.max_tokens as cap, t.received_at
    from store.current_attempt as a
    left join store.current_trace as t using (attempt_id)
    where a.recalled_by is null
),
matched as (
    select
        w.plan_id, w.dataset, w.request_key, w.prompt_id, w.sample_index, w.teacher, w.max_tokens,
        count(t.attempt_id) as attempts,
        arg_max(
            {'attempt_id': t.attempt_id, 'state': t.state, 'outcome': t.outcome, 'error': t.error, 'trace_id': t.trace_id},
            (t.sent_at, t.attempt_id)
        ) filter (where t.attempt_id is not null) as latest,
        arg_min(
            {'attempt_id': t.attempt_id, 'outcome': t.outcome, 'trace_id': t.trace_id, 'asked_by': t.asked_by},
            (t.trace_outcome <> 'ok', -t.cap, t.received_at, t.trace_id, t.attempt_id)
        ) filter (
            where t.state = 'paid' and t.trace_id is not null
            and (t.trace_outcome <> 'truncated' or t.cap >= w.max_tokens)
        ) as answer
    from planned as w
    left join tried as t
        on t.request_key = w.request_key and (w.terms_sha256 is null or t.terms_sha256 = w.terms_sha256)
    group by all
)
select
    dataset,
    plan_id,
    request_key,
    prompt_id,
    sample_index,
    teacher,
    max_tokens,
    case
        when answer is not null and answer.asked_by <> dataset then 'reused'
        when answer is not null then 'answered'
        when latest is null then 'not_asked'
        when latest.state = 'maybe_paid' then 'maybe_paid'
        when latest.trace_id is not null then 'not_asked'
        else 'failed'
    end as status,
    answer.trace_id as trace_id,
    coalesce(answer.attempt_id, latest.attempt_id) as attempt_id,
    coalesce(answer.outcome, latest.outcome) as outcome,
    attempts,
    case when answer is null then latest.error end as error
from matched;

comment on view wanted is 'What the current plan of each dataset wants, a row a sample, and how far each is.';
comment on column wanted.dataset is 'The dataset';
comment on column wanted.plan_id is 'Its current plan';
comment on column wanted.request_key is 'Key, with dataset: hash of model, revision, route, request less max_tokens, sample index';
comment on column wanted.prompt_id is 'The prompt: prompts.prompt_id';
comment on column wanted.sample_index is 'Which of the samples wanted for the prompt, from 0';
comment on column wanted.teacher is 'The teacher that the plan gives it to';
comment on column wanted.max_tokens is 'The cap that the plan asks for';
comment on column wanted.status is 'reused (another dataset asked), answered, failed, maybe_paid or not_asked';
comment on column wanted.trace_id is 'The answer: traces.trace_id; null without one';
comment on column wanted.attempt_id is 'The attempt that answered, or else the latest one';
comment on column wanted.outcome is 'Outcome of that attempt';
comment on column wanted.attempts is 'Attempts made for it under the present terms, by any dataset';
comment on column wanted.error is 'Why the latest attempt did not answer, one line';
