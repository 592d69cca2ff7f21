-- Everything that a selection reaches, as the temporary table `withdrawn`: attempts with the traces that were read in them, and prompts.
--   reach: selected; continued (it goes on with a selected answer, or is gone on with); prompt (a withdrawn prompt); answered (an answer
--   to a withdrawn prompt)
-- It is worked out in four steps, each a table of its own: DuckDB then knows how few rows there are, and reads little beside them.
create or replace temp table withdrawn as
with elsewhere as (
    select distinct trace_id
    from store.traces_parquet
    semi join (select trace_id from reached where trace_id is not null) using (trace_id)
    anti join (select attempt_id from reached) using (attempt_id)
)
select
    reach,
    attempt_id,
    trace_id,
    coalesce(trace_id in (select trace_id from elsewhere), false) as is_shared,
    prompt_id,
    request_key,
    teacher,
    terms_sha256,
    tokens
from reached
union all
select 'prompt', null, null, false, prompt_id, null, null, null, null from gone_prompt
