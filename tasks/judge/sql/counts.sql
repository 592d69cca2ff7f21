-- Verdicts by outcome and reason.
select outcome, reason, count(*) as traces
from read_parquet($verdicts)
group by all
order by traces desc, reason
