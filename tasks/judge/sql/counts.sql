-- Verdicts by outcome and reason.
select
    case when l.reason is not null then 'rejected' when h.reason is not null then 'quarantined' else j.outcome end as outcome,
    coalesce(l.reason, h.reason, j.reason) as reason,
    count(*) as traces
from read_parquet($judged) as j
left join late as l using (trace_id)
left join held as h on h.trace_id = j.trace_id and j.outcome = 'kept'
group by all
order by traces desc, reason
