-- Everything that a selection reaches, as the temporary table `withdrawn`: attempts with the traces that were read in them, and prompts.
--   reach: selected; continued (it goes on with a selected answer, or is gone on with); prompt (a withdrawn prompt); answered (an answer
--   to a withdrawn prompt)
-- Withdrawn prompts: those of the named source, those whose metadata says `written_by` the recalled teacher, and the questions to an LLM
-- judge that show recalled answers and no others.
-- Registered: named (trace_id). Parameters: $teacher, $route, $terms, $since, $until, $decision, $source, $by_trace, $writer.
create or replace temp table withdrawn as
with recursive sourced as (
    select distinct prompt_id from store.prompts_parquet
    where source = $source::text or ends_with(source, '/' || $source::text)
),
written as (
    select distinct prompt_id from store.prompts_parquet
    where $writer::text is not null and try_cast(metadata as json) ->> '$.written_by' = $writer::text
),
selected as (
    select attempt_id
    from store.ledger_parquet
    where ($teacher::text is null or teacher = $teacher)
        and ($route::text is null or route = $route)
        and ($terms::text is null or terms_id = $terms or terms_sha256 = $terms)
        and ($since::timestamptz is null or coalesce(received_at, sent_at) >= $since)
        and ($until::timestamptz is null or coalesce(received_at, sent_at) < $until)
        and ($decision::text is null or decision_id = $decision)
        and ($source::text is null or prompt_id in (select prompt_id from sourced))
        and (not $by_trace or attempt_id in (select attempt_id from store.traces_parquet semi join named using (trace_id)))
),
link as (
    select attempt_id as one, continues as other from store.ledger_parquet where continues is not null
    union all
    select continues, attempt_id from store.ledger_parquet where continues is not null
),
linked as (
    select attempt_id from selected
    union
    select link.other from linked join link on link.one = linked.attempt_id
),
said as (
    select distinct trace_id from store.traces_parquet semi join linked using (attempt_id)
),
asked_about as (
    select prompt_id, unnest(from_json(metadata::json -> 'judges', '["VARCHAR"]')) as trace_id
    from store.prompts_parquet
    where starts_with(metadata, '{"judges":')
),
shown as (
    select prompt_id from asked_about left join said using (trace_id)
    group by prompt_id having count(*) = count(said.trace_id)
),
prompt as (
    select prompt_id from sourced union select prompt_id from written union select prompt_id from shown
),
reached as (
    select attempt_id, min(place) as place
    from (
        select attempt_id, 1 as place from selected
        union all select attempt_id, 2 from linked
        union all select attempt_id, 3 from store.ledger_parquet semi join prompt using (prompt_id)
    )
    group by attempt_id
),
elsewhere as (
    select distinct trace_id from store.traces_parquet anti join reached using (attempt_id)
),
read as (
    select distinct attempt_id, trace_id from store.traces_parquet
)
select
    ['selected', 'continued', 'answered'][r.place] as reach,
    a.attempt_id,
    t.trace_id,
    coalesce(t.trace_id in (select trace_id from elsewhere), false) as is_shared,
    a.prompt_id,
    a.request_key,
    a.teacher,
    a.terms_sha256
from reached as r
join (select distinct attempt_id, prompt_id, request_key, teacher, terms_sha256 from store.ledger_parquet) as a using (attempt_id)
left join read as t using (attempt_id)
union all
select 'prompt', null, null, false, prompt_id, null, null, null from prompt
