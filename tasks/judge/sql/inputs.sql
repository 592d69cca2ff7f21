-- Every answered sample that the dataset's current plan wants, with what its prompt says of right answers, and what an LLM judge
-- said of it. The prompt is the plan's: the answer may have been bought for another prompt with the same words and another reference.
with opinion as (
    select
        unnest(from_json(p.metadata::json -> 'judges', '["VARCHAR"]')) as judges,
        t.trace_id as opinion_id,
        t.teacher as opinion_by,
        t.answer as opinion
    from wanted as w
    join prompts as p using (prompt_id)
    join traces as t on t.trace_id = w.trace_id
    where w.dataset = $opinions
)
select
    w.trace_id,
    w.request_key,
    w.prompt_id,
    t.text_hash,
    t.teacher,
    t.terms_sha256,
    t.outcome,
    t.finish_reason,
    t.reasoning,
    t.answer,
    p.reference,
    p.verifier,
    p.metadata,
    p.question,
    o.opinion,
    o.opinion_id,
    o.opinion_by
from wanted as w
join traces as t on t.trace_id = w.trace_id
join prompts as p on p.prompt_id = w.prompt_id
left join opinion as o on o.judges = w.trace_id
where w.dataset = $dataset
