-- The questions of every prompt whose side matters: those the current plan wants, and those published before. A prompt of
-- several turns is known by all of them, or else every "go on" would be one question; system prompts do not count.
create or replace temp table split_conversation as
with seen as (
    select prompt_id from wanted where dataset = $dataset
    union
    select prompt_id from store.splits_parquet where dataset = $dataset
)
select
    row_number() over () as n,
    prompt_id,
    coalesce(
        array_to_string([message.content for message in messages if message.role <> 'system'], chr(10)),
        question
    ) as conversation
from prompts
semi join seen using (prompt_id)
