-- What each verifier said of the answers.
select
    coalesce(said.answer.verifier, 'not looked at: rejected before') as verifier,
    count(*) as count,
    count(*) filter (where said.answer.score >= 1) as right,
    count(*) filter (where said.answer.score < 1) as wrong,
    count(*) filter (where said.answer.score is null) as unchecked
from sample
where trace_id is not null
group by verifier
order by count desc, verifier
