-- The prompts that a selection withdraws, as the temporary table `gone_prompt`: those of the named source (`sourced`), those whose
-- metadata says `written_by` the recalled teacher, and the questions to an LLM judge that show recalled answers (of `linked`) and
-- no others. Parameter: $writer.
create or replace temp table gone_prompt as
with said as (
    select distinct trace_id from store.traces_parquet semi join linked using (attempt_id, teacher)
),
asked_about as (
    select prompt_id, unnest(from_json(metadata::json -> 'judges', '["VARCHAR"]')) as trace_id
    from store.prompts_parquet
    where starts_with(metadata, '{"judges":')
)
from sourced
union
select prompt_id from store.prompts_parquet
where $writer::text is not null and contains(metadata, '"written_by"')
    and try_cast(metadata as json) ->> '$.written_by' = $writer::text
union
select prompt_id from asked_about left join said using (trace_id)
group by prompt_id having count(*) = count(said.trace_id)
