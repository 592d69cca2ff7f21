-- By which rules it was judged, each judging once.
select judge_run, dataset, rules
from store.judge_run
where (judge_run, dataset) in (select (judge_run, dataset) from verdicts where trace_id = $key)
order by judge_run, dataset
