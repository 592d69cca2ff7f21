-- Students that learned from a reached version, and every model made from one, with the largest share of it.
with recursive model as (
    select student_run_id as student, 'trained' as kind, version as parent from store.student_run
    union all
    select child, kind, parent from store.model_edge
),
taint as (
    select m.student, m.kind, v.version from model as m join reached_version as v on v.version = m.parent
    union
    select m.student, m.kind, t.version from model as m join taint as t on t.student = m.parent
)
select
    t.student,
    min(t.kind) as kind,
    list(distinct t.version order by t.version) as versions,
    max(v.recalled_train_rows / nullif(v.train_rows, 0)) as row_share,
    max(v.recalled_train_tokens / nullif(v.train_tokens, 0)) as token_share,
    max(v.judged_rows)::bigint as judged_rows
from taint as t
join reached_version as v using (version)
group by t.student
order by t.student
