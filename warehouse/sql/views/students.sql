-- Every model that learned from a version: trained here, or made elsewhere and registered. A model is tainted where it, or a model
-- that it was made from, learned from a revoked version; this is worked out from the tables, so a model added later is marked too.
create or replace view students as
with recursive model as (
    select student_run_id as student, 'trained' as kind, version as parent, started_at as added_at, null::text as note
    from store.student_run
    union all
    select s.student, e.kind, e.parent, s.added_at, s.note
    from store.student as s
    join store.model_edge as e on e.child = s.student
),
taint as (
    select m.student, r.recall_id, r.version
    from model as m
    join store.revocation as r on r.version = m.parent
    union
    select m.student, t.recall_id, t.version
    from model as m
    join taint as t on t.student = m.parent
),
marked as (
    select
        t.student,
        list(distinct t.recall_id order by t.recall_id) as recalls,
        list(distinct t.version order by t.version) as versions,
        max(r.recalled_train_rows / nullif(r.train_rows, 0)) as row_share,
        max(r.recalled_train_tokens / nullif(r.train_tokens, 0)) as token_share,
        max(r.judged_rows) as judged_rows
    from taint as t
    join store.revocation as r using (recall_id, version)
    group by t.student
)
select
    m.student,
    any_value(m.kind) as kind,
    list(m.parent order by m.parent) as parents,
    any_value(r.model) as model,
    any_value(r.state) as state,
    any_value(k.student) is not null as is_tainted,
    coalesce(any_value(k.recalls), []) as recalls,
    coalesce(any_value(k.versions), []) as tainted_versions,
    any_value(k.row_share) as row_share,
    any_value(k.token_share) as token_share,
    coalesce(any_value(k.judged_rows), 0)::bigint as judged_rows,
    any_value(m.added_at) as added_at,
    any_value(m.note) as note
from model as m
left join store.student_run as r on r.student_run_id = m.student
left join marked as k on k.student = m.student
group by m.student;

comment on view students is 'Every model that learned from a version, trained here or registered, and whether a recall taints it.';
comment on column students.student is 'Key: the student run, or the name under which it was registered';
comment on column students.kind is 'trained here; or finetune, merge, quantise or distill';
comment on column students.parents is 'What it was made from: versions, student runs, registered models';
comment on column students.model is 'The model that was trained here; null for a registered one';
comment on column students.state is 'Of a training here: running, completed or failed';
comment on column students.is_tainted is 'True where it, or a model it was made from, learned from a revoked version';
comment on column students.recalls is 'The recalls that taint it: recalls.recall_id';
comment on column students.tainted_versions is 'The revoked versions that it, or a model it was made from, learned from';
comment on column students.row_share is 'Recalled train rows of all in such a version, 0 to 1; of several versions and recalls the largest';
comment on column students.token_share is 'Recalled completion tokens of the train rows in such a version, 0 to 1; the largest';
comment on column students.judged_rows is 'Rows in such a version that others gave and a recalled teacher kept as the LLM judge; the largest';
comment on column students.added_at is 'When its training began, or it was registered, UTC';
comment on column students.note is 'What was noted when it was registered';
