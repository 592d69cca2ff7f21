-- The prompts of a source, by its whole name or by what of it follows a slash, as the temporary table `sourced`.
-- Parameters: $source, null for none.
create or replace temp table sourced as
select prompt_id from store.prompts_parquet where source = $source::text or ends_with(source, '/' || $source::text)
