-- The texts of what it lost to, of what lost to it, and of what it was only noted to be like; a few of many.
with named as (
    select duplicate_of as trace_id from duplicates where trace_id = $key
    union
    select trace_id from duplicates where duplicate_of = $key
    union
    select signals -> 'duplicate' ->> 'similar_to' from verdicts where trace_id = $key
)
select trace_id, teacher, reasoning, answer
from traces
where trace_id in (select trace_id from named)
order by trace_id
limit 8
