-- What a judging left for an LLM judge: answers that their verifier could not check, or that none checks; and whatever it was asked
-- before, so that its opinions stay a part of the next judging.
select p.question, p.reference, t.answer, list(v.trace_id order by v.trace_id) as judges
from verdicts as v
join traces as t using (trace_id)
join prompts as p on p.prompt_id = v.prompt_id
where v.judge_run = $judge_run and v.dataset = $dataset
and (
    (v.outcome = 'undecided' and v.signals::json ->> '$.answer.undecided' is not null)
    or ($unchecked and p.verifier = 'none' and v.outcome = 'kept')
    or v.signals::json ->> '$.answer.opinion' is not null
)
group by all
order by judges[1]
