-- Exact duplicates. Of one prompt always; of different prompts only long enough texts, as a short one is right for many
-- questions: those are similar, and lose nothing. Most texts are single: grouping by a short hash of the hash finds the few
-- rows that can be one of several, and only these are compared.
create temp table exact as
with crowded as (
    select hash(text_hash) as bucket from survivor group by bucket having count(*) > 1
),
several as (
    select place, words, text_hash, prompt_id from survivor where hash(text_hash) in (select bucket from crowded)
),
grouped as (
    select
        place,
        words,
        min(place) over (partition by text_hash) as best,
        min(place) over (partition by text_hash, prompt_id) as best_of_prompt
    from several
)
select
    place,
    case when words >= $across or place = best_of_prompt then best else best_of_prompt end as similar_to,
    words >= $across or place > best_of_prompt as is_duplicate
from grouped
where place > best
