-- Verdicts by outcome and reason.
select
    case when l.reason is not null then 'rejected' else j.outcome end as outcome,
    coalesce(l.reason, j.reason) as reason,
    count(*) as traces
from read_parquet($judged) as j
left join late as l using (trace_id)
group by all
order by traces desc, reason
