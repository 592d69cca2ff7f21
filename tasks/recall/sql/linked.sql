-- The attempts that a selection names, and those that go on with one of them or are gone on with, as the temporary table `linked`.
-- Registered: named (trace_id). There: sourced. Parameters: $teacher, $route, $terms, $since, $until, $decision, $by_source, $by_trace.
create or replace temp table linked as
with recursive selected as (
    select distinct attempt_id, teacher
    from store.ledger_parquet
    where ($teacher::text is null or teacher = $teacher)
        and ($route::text is null or route = $route)
        and ($terms::text is null or terms_id = $terms or terms_sha256 = $terms)
        and ($since::timestamptz is null or coalesce(received_at, sent_at) >= $since)
        and ($until::timestamptz is null or coalesce(received_at, sent_at) < $until)
        and ($decision::text is null or decision_id = $decision)
        and (not $by_source or prompt_id in (select prompt_id from sourced))
        and (not $by_trace or attempt_id in (select attempt_id from store.traces_parquet semi join named using (trace_id)))
),
continued as (
    select attempt_id, teacher, continues from store.ledger_parquet where continues is not null
),
link as (
    select continues as one, attempt_id as other, teacher from continued
    union all
    select c.attempt_id, a.attempt_id, a.teacher from store.ledger_parquet as a join continued as c on c.continues = a.attempt_id
),
reached as (
    select attempt_id, teacher from selected
    union
    select link.other, link.teacher from reached join link on link.one = reached.attempt_id
)
select attempt_id, teacher, attempt_id in (select attempt_id from selected) as is_selected from reached
