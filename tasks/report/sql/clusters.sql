-- The traces to which most others lost.
select
    d.duplicate_of as trace_id,
    count(*) as losers,
    count(*) filter (where d.kind = 'exact') as exact,
    min(s.prompt_id) as prompt_id
from duplicates as d
left join sample as s on s.trace_id = d.duplicate_of
where d.judge_run = $judge_run and d.dataset = $dataset
group by d.duplicate_of
order by losers desc, trace_id
limit 10
