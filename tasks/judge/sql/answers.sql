-- Which trace answers which prompt, and which replies of an LLM judge there are: what a judging is of.
select w.trace_id, w.prompt_id, p.metadata
from wanted as w
left join prompts as p using (prompt_id)
where w.dataset in ($dataset, $opinions) and w.trace_id is not null
order by w.trace_id, w.dataset
