-- Which evaluation item matched what, and what became of it; the most frequent fifty.
select
    coalesce(said.contamination.item, 'unnamed') as item,
    said.contamination.found as reason,
    outcome,
    count(*) as traces,
    max(said.contamination.question_coverage) as question_coverage,
    max(said.contamination.trace_coverage) as trace_coverage,
    min(trace_id) as trace_id,
    arg_min(prompt_id, trace_id) as prompt_id,
    count(*) over () as in_all
from sample
where said.contamination.found is not null
group by item, said.contamination.found, outcome
order by traces desc, item, reason, outcome
limit 50
