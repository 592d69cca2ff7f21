-- The versions that hold such rows, with how much of each they are, as the temporary table `reached_version`.
-- Registered: heldout (version, prompt_id).
create or replace temp table reached_version as
with gone as (
    select distinct trace_id, teacher, terms_sha256 from withdrawn where trace_id is not null
),
token as (
    select trace_id, max(completion_tokens) as tokens from store.traces_parquet group by trace_id
),
held as (
    select
        r.version,
        r.split,
        coalesce(t.tokens, 0) as tokens,
        g.trace_id is not null as is_recalled,
        w.trace_id is not null and g.trace_id is null as is_judged
    from store.version_rows_parquet as r
    join store.version as v on v.version = r.version
    left join gone as g on g.trace_id = r.trace_id and g.teacher = r.teacher and g.terms_sha256 = r.terms_sha256
    left join on_its_word as w on w.trace_id = r.trace_id and w.judge_run = v.judge_run and w.dataset = v.dataset
    left join token as t on t.trace_id = r.trace_id
)
select
    version,
    count(*) as rows,
    count(*) filter (where split = 'train') as train_rows,
    coalesce(sum(tokens) filter (where split = 'train'), 0)::bigint as train_tokens,
    count(*) filter (where is_recalled) as recalled_rows,
    count(*) filter (where is_recalled and split = 'train') as recalled_train_rows,
    coalesce(sum(tokens) filter (where is_recalled and split = 'train'), 0)::bigint as recalled_train_tokens,
    count(*) filter (where is_judged) as judged_rows
from held
group by version
having bool_or(is_recalled) or bool_or(is_judged)
    or version in (select version from heldout where prompt_id in (select prompt_id from withdrawn where reach = 'prompt'))
