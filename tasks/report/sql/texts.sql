-- The texts of chosen traces, cut; the prompt is the one that was judged.
select
    s.trace_id,
    s.teacher,
    s.outcome,
    s.reason,
    left(s.details, 500) as details,
    left(coalesce(p.question, ''), $most) as question,
    length(coalesce(p.question, '')) as question_length,
    left(coalesce(t.reasoning, ''), $most) as reasoning,
    length(coalesce(t.reasoning, '')) as reasoning_length,
    left(coalesce(t.answer, ''), $most) as answer,
    length(coalesce(t.answer, '')) as answer_length,
    left(p.reference, 500) as reference
from (select * from sample where list_contains($ids, trace_id)) as s
join (select * from traces where trace_id in (select unnest($ids))) as t on t.trace_id = s.trace_id
left join (select * from prompts where prompt_id in (select unnest($prompts))) as p on p.prompt_id = s.prompt_id
order by s.trace_id
