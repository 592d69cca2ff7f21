-- How many answers of each family passed every rule that looks at one trace; the largest forty, and the others together.
with counted as (
    select coalesce(family, '') as family, count(*) as answers, count(*) filter (where is_passed) as passed
    from sample
    where trace_id is not null
    group by all
),
ranked as (
    select *, row_number() over (order by answers desc, family) as place from counted
)
select
    case when place > 40 then 'all others' when family = '' then 'no family named' else family end as name,
    sum(answers)::bigint as count,
    sum(passed)::bigint as passed
from ranked
group by name
order by min(place)
