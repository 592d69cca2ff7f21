-- Every stored response of one teacher under one set of terms, as it was first read, with what holds of it now.
--   now_state, now_outcome, now_parser: as it is read now
--   trace: what its trace says, texts as their MD5; null without one
--   beginning: what the request went on with, as that was read when the request was sent; null for most
-- Parameters: $dataset (that asked), $teacher, $terms. Joins hold what stands on their right: nothing with texts stands there.
with responses as not materialized (  -- read twice, since what is materialised is held with its bodies
    select *
    from store.ledger_parquet
    where dataset = $dataset and teacher = $teacher and terms_sha256 = $terms
        and status is not null and body is not null and batch_id is distinct from 'preflight'
        and attempt_id not in (select attempt_id from store.current_recalled)
),
known as (
    select
        attempt_id,
        {
            'trace_id': trace_id, 'reasoning': md5(reasoning), 'answer': md5(answer), 'content': md5(content),
            'reasoning_source': reasoning_source, 'finish_reason': finish_reason, 'served_model': served_model,
            'system_fingerprint': system_fingerprint, 'usage_source': usage_source, 'prompt_tokens': prompt_tokens,
            'completion_tokens': completion_tokens, 'reasoning_tokens': reasoning_tokens
        } as trace,
        parser
    from store.current_trace
    where teacher = $teacher and terms_sha256 = $terms
),
beginnings as (
    select
        a.attempt_id,
        arg_max(
            {
                'attempt_id': t.attempt_id, 'reasoning': t.reasoning, 'content': t.content,
                'is_field': t.reasoning_source = 'field', 'tokens': coalesce(t.completion_tokens, t.max_tokens),
                'reasoning_tokens': t.reasoning_tokens, 'cost_usd': t.cost_usd
            },
            coalesce(t.reading, 0)
        ) as beginning
    from store.traces_parquet as t
    join (select attempt_id, continues, sent_at from responses where continues is not null) as a
        on a.continues = t.attempt_id
    left join store.readings_parquet as r on r.attempt_id = t.attempt_id and r.reading = t.reading
    where r.attempt_id is null or r.read_at <= a.sent_at
    group by a.attempt_id
),
entry as (
    select any_value(provider) as provider
    from (select entry ->> '$.provider' as provider from store.teacher where teacher = $teacher order by seen_at desc limit 1)
)
select
    a.* replace (coalesce(a.provider, (select provider from entry), 'unknown') as provider),
    coalesce(r.state, a.state) as now_state,
    coalesce(r.outcome, a.outcome) as now_outcome,
    coalesce(r.parser, k.parser, a.parser, 1) as now_parser,
    k.trace,
    b.beginning
from responses as a
left join store.current_reading as r on r.attempt_id = a.attempt_id
left join known as k on k.attempt_id = a.attempt_id
left join beginnings as b on b.attempt_id = a.attempt_id
