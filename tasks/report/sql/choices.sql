-- Two traces of each reason, drawn by hash, and beside each a kept one: of its prompt, else of its family, else any; the next
-- after it in the order of the draw.
with ranked as (
    select
        trace_id,
        prompt_id,
        family,
        reason,
        draw,
        row_number() over (partition by reason order by draw) as place,
        count(*) over (partition by reason) as total
    from sample
    where outcome <> 'kept'
),
chosen as (
    select * from ranked where place <= 2 order by total desc, reason, place limit 48
)
select
    c.trace_id as lost,
    arg_min(
        k.trace_id,
        (k.prompt_id <> c.prompt_id, k.family is distinct from c.family, k.draw < c.draw, k.draw)
    ) as kept
from chosen as c
left join (select * from sample where outcome = 'kept') as k on true
group by c.trace_id, c.total, c.reason, c.place
order by c.total desc, c.reason, c.place
