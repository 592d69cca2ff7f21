-- What one (side, teacher, terms) publishes, with its texts, by trace_id.
select
    trace_id,
    trace.prompt_id,
    trace.teacher,
    trace.terms_id,
    trace.terms_sha256,
    trace.simulated,
    trace.reasoning,
    trace.answer,
    prompt.messages,
    prompt.family,
    prompt.license
from publishable
join traces as trace using (trace_id)
join prompts as prompt on prompt.prompt_id = publishable.prompt_id
where left_out is null
    and publishable.side = $side
    and publishable.teacher = $teacher
    and publishable.terms_sha256 = $terms_sha256
order by trace_id
