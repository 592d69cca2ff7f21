-- How many samples of each teacher had which verdict for which reason, and how many of them the version holds.
select teacher, outcome, reason, count(*) as samples, count(*) filter (where is_published) as published
from sample
group by all
order by teacher, outcome nulls first, samples desc, reason
