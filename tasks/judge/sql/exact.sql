-- Exact duplicates. Of one prompt always; of different prompts only long enough texts, as a short one is right for many
-- questions: those are similar, and lose nothing.
create temp table exact as
with grouped as (
    select
        place,
        words,
        min(place) over (partition by text_hash) as best,
        min(place) over (partition by text_hash, prompt_id) as best_of_prompt
    from survivor
)
select
    place,
    case when words >= $across or place = best_of_prompt then best else best_of_prompt end as similar_to,
    words >= $across or place > best_of_prompt as is_duplicate
from grouped
where place > best
