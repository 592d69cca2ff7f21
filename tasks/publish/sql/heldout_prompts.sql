-- Every prompt of the validation side that the current plan wants, answered or not, less those that were recalled.
select prompt_id, question, messages, reference, verifier, family, metadata, license
from prompts
semi join (
    select prompt_id
    from split_side
    semi join wanted on wanted.prompt_id = split_side.prompt_id and wanted.dataset = $dataset
    where side = 'validation'
) using (prompt_id)
anti join (select prompt_id from store.recalled_parquet where attempt_id is null) using (prompt_id)
order by prompt_id
