-- Every attempt that is withdrawn, and the traces that were read in it, as the temporary table `reached`; an attempt without a trace has a
-- row too. Attempts: those of `linked`, and answers to a prompt of `gone_prompt`. What a teacher said lies under its name, which
-- spares reading what others said.
create or replace temp table reached as
with place as (
    select attempt_id, teacher, if(is_selected, 1, 2) as place from linked
    union all
    select attempt_id, teacher, 3 from store.ledger_parquet semi join gone_prompt using (prompt_id)
),
attempt as (
    select distinct attempt_id, teacher, prompt_id, request_key, terms_sha256
    from store.ledger_parquet semi join place using (attempt_id, teacher)
),
read as (
    select attempt_id, trace_id, max(completion_tokens) as tokens
    from store.traces_parquet semi join place using (attempt_id, teacher)
    group by all
)
select ['selected', 'continued', 'answered'][p.place] as reach, a.*, r.trace_id, r.tokens
from attempt as a
join (select attempt_id, min(place) as place from place group by all) as p using (attempt_id)
left join read as r using (attempt_id)
