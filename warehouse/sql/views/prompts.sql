-- Every prompt once. The same prompt may be listed in several files; the first by source and row is shown.
create or replace view prompts as
select distinct on (prompt_id)
    prompt_id,
    question,
    messages,
    reference,
    verifier,
    family,
    metadata,
    source,
    source_row,
    license
from store.prompts_parquet
order by prompt_id, source, source_row, license;

comment on view prompts is 'Every question that was ever planned, once.';
comment on column prompts.prompt_id is 'Content hash of messages, reference and verifier';
comment on column prompts.question is 'The last user message, as the source gives it';
comment on column prompts.messages is 'The row''s own messages, before template, system prompt and examples';
comment on column prompts.reference is 'The reference answer, if the source has one';
comment on column prompts.verifier is 'How an answer is checked against the reference: exact, numeric, math, reasoning-gym, code or none';
comment on column prompts.family is 'A group to report by, if the source has one';
comment on column prompts.metadata is 'JSON that the verifier needs';
comment on column prompts.source is 'File or generator, as the recipe names it';
comment on column prompts.source_row is 'Line or row in the source, from 1';
comment on column prompts.license is 'Licence of the prompt, as the recipe states it';
