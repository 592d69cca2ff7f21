-- Of each kind of likeness, how many lost by it and how many were only noted.
select
    said.duplicate.kind as kind,
    count(*) filter (where coalesce(rule = 'duplicate', false)) as lost,
    count(*) filter (where not coalesce(rule = 'duplicate', false)) as noted
from sample
where said.duplicate.kind is not null
group by kind
order by kind
