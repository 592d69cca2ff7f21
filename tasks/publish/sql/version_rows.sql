-- Which trace lies in which row of which shard, in the order of the shards.
with placed as (
    select
        *,
        row_number() over (partition by side, teacher, terms_sha256 order by trace_id) - 1 as place
    from publishable
    where left_out is null
)
select
    $version as version,
    slot.name as shard,
    placed.place - slot.first as row_index,
    placed.side as split,
    placed.trace_id,
    placed.request_key,
    placed.prompt_id,
    placed.teacher,
    placed.terms_id,
    placed.terms_sha256,
    placed.decision_id
from placed
join slot
    on slot.split = placed.side
    and slot.teacher = placed.teacher
    and slot.terms_sha256 = placed.terms_sha256
    and placed.place between slot.first and slot.last
order by slot.name, row_index
