-- The answers of each teacher in windows of equal size, by when they came: at least 50 in each, at most 20 windows.
with numbered as (
    select
        teacher,
        received_at,
        is_passed,
        row_number() over (partition by teacher order by received_at, trace_id) - 1 as place,
        count(*) over (partition by teacher) as total
    from sample
    where received_at is not null and trace_id is not null
)
select
    teacher,
    place * least(20, greatest(1, total // 50)) // total as part,
    min(received_at) as began,
    max(received_at) as ended,
    count(*) as count,
    count(*) filter (where is_passed) as passed
from numbered
group by teacher, part
order by teacher, part
