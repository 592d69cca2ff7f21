-- The versions that hold such rows, with how much of each they are, as the temporary table `reached_version`. Totals are the catalog's. Its
-- tokens are of train and validation rows together, so the validation rows of a version are counted and taken off, unless an
-- earlier recall of it did so: rows that were purged since can be counted no more.
-- Registered: heldout (version, prompt_id).
create or replace temp table reached_version as
with gone as (
    select trace_id, teacher, terms_sha256, max(tokens) as tokens from withdrawn where trace_id is not null group by all
),
member as (
    select r.version, r.split, r.trace_id, g.tokens, true as is_recalled
    from store.version_rows_parquet as r
    join gone as g on g.trace_id = r.trace_id and g.teacher = r.teacher and g.terms_sha256 = r.terms_sha256
    union all
    select r.version, r.split, r.trace_id, 0, false
    from store.version_rows_parquet as r
    join store.version as v on v.version = r.version
    join on_its_word as w on w.trace_id = r.trace_id and w.judge_run = v.judge_run and w.dataset = v.dataset
),
held as (
    select
        version,
        count(*) filter (where is_recalled) as rows,
        count(*) filter (where is_recalled and split = 'train') as train_rows,
        coalesce(sum(tokens) filter (where is_recalled and split = 'train'), 0)::bigint as train_tokens,
        count(*) filter (where not is_recalled) as judged_rows
    from member
    group by version
),
known as (
    select version, max(train_tokens) as tokens from store.revocation group by version
),
hit as (
    select v.version, v.tokens, k.tokens as train_tokens
    from store.version as v
    left join known as k using (version)
    where v.version in (select version from held)
        or v.version in (select h.version from heldout as h join gone_prompt using (prompt_id))
),
beside as (
    select r.version, r.trace_id
    from store.version_rows_parquet as r
    semi join (select version from hit where train_tokens is null and tokens is not null) using (version)
    where r.split <> 'train'
    union all
    select r.version, r.trace_id
    from store.version_rows_parquet as r
    semi join (select version from hit where train_tokens is null and tokens is null) using (version)
    where r.split = 'train'
),
token as (
    select trace_id, max(completion_tokens) as tokens from store.traces_parquet semi join beside using (trace_id) group by trace_id
),
counted as (
    select version, sum(tokens)::bigint as tokens from beside join token using (trace_id) group by version
)
select
    v.version,
    v.train_rows + v.validation_rows as rows,
    v.train_rows,
    coalesce(i.train_tokens, i.tokens - coalesce(c.tokens, 0), c.tokens, 0)::bigint as train_tokens,
    coalesce(h.rows, 0) as recalled_rows,
    coalesce(h.train_rows, 0) as recalled_train_rows,
    coalesce(h.train_tokens, 0) as recalled_train_tokens,
    coalesce(h.judged_rows, 0) as judged_rows
from store.version as v
join hit as i using (version)
left join held as h using (version)
left join counted as c using (version)
