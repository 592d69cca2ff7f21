-- The texts of what is withdrawn for the first time by this recall: of an attempt's traces, or of a prompt. An attempt whose traces were
-- purged is not new.
-- Parameters: $recall_id.
with known as (
    select attempt_id, trace_id, prompt_id, attempt_id is null as is_prompt
    from store.recalled_parquet where recall_id = $recall_id
),
fresh as (
    select w.* from withdrawn as w
    where not exists (
        select 1 from known as k
        where k.attempt_id is not distinct from w.attempt_id and k.prompt_id = w.prompt_id
            and (k.trace_id is not distinct from w.trace_id or (w.trace_id is null and w.attempt_id is not null))
    )
),
said as (
    select attempt_id, trace_id, any_value(reasoning) as reasoning, any_value(content) as content, any_value(answer) as answer
    from store.traces_parquet
    where attempt_id in (select attempt_id from fresh)
    group by attempt_id, trace_id
),
asked as (
    select prompt_id, any_value(question) as question
    from store.prompts_parquet
    where prompt_id in (select prompt_id from fresh where reach = 'prompt')
    group by prompt_id
)
select
    f.*,
    s.reasoning,
    s.content,
    s.answer,
    q.question
from fresh as f
left join said as s on s.attempt_id = f.attempt_id and s.trace_id = f.trace_id
left join asked as q on f.reach = 'prompt' and q.prompt_id = f.prompt_id
order by f.attempt_id, f.trace_id, f.prompt_id
