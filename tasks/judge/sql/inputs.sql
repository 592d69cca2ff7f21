-- The answers of which nothing is known by these rules, with what their prompt says of right answers. The prompt is the plan's: the
-- answer may have been bought for another prompt with the same words and another reference.
select
    a.trace_id,
    a.request_key,
    a.prompt_id,
    t.text_hash,
    t.teacher,
    t.terms_sha256,
    a.given,
    t.outcome,
    t.finish_reason,
    t.reasoning,
    t.answer,
    p.reference,
    p.verifier,
    p.metadata,
    p.question,
    o.answer as opinion,
    a.opinion_id,
    o.teacher as opinion_by
from asked as a
anti join read_parquet($known) as k on k.trace_id = a.trace_id and k.prompt_id = a.prompt_id
join traces as t on t.trace_id = a.trace_id
join prompts as p on p.prompt_id = a.prompt_id
left join traces as o on o.trace_id = a.opinion_id
