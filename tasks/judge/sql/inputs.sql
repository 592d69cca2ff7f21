-- Every answered sample that the dataset's current plan wants, with what its prompt says of right answers. The prompt is
-- the plan's: the answer may have been bought for another prompt with the same words and another reference.
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
    p.question
from wanted as w
join traces as t on t.trace_id = w.trace_id
join prompts as p on p.prompt_id = w.prompt_id
where w.dataset = $dataset
