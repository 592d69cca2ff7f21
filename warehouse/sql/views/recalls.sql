-- What was withdrawn, and how far each recall is.
create or replace view recalls as
with counted as (
    select
        recall_id,
        count(distinct attempt_id) as attempts,
        count(distinct trace_id) as traces,
        count(distinct prompt_id) filter (where attempt_id is null) as prompts
    from store.recalled_parquet
    group by recall_id
),
revoked as (
    select recall_id, list(version order by version) as versions from store.revocation group by recall_id
),
succeeded as (
    select recall_id, list(version order by version) filter (where version is not null) as successors
    from store.succession group by recall_id
),
tainted as (
    select recall_id, list(student order by student) as students
    from (select student, unnest(recalls) as recall_id from students)
    group by recall_id
)
select
    r.recall_id,
    r.state,
    r.why,
    r.selection,
    r.denies,
    r.begun_at,
    r.applied_at,
    r.purged_at,
    coalesce(c.attempts, 0) as attempts,
    coalesce(c.traces, 0) as traces,
    coalesce(c.prompts, 0) as prompts,
    coalesce(v.versions, []) as versions,
    coalesce(s.successors, []) as successors,
    coalesce(t.students, []) as students
from store.recall as r
left join counted as c using (recall_id)
left join revoked as v using (recall_id)
left join succeeded as s using (recall_id)
left join tainted as t using (recall_id);

comment on view recalls is 'What was withdrawn and why, with the versions and students that held it.';
comment on column recalls.recall_id is 'Key: hash of the selection';
comment on column recalls.state is 'applying, applied, purging or purged; in the first and the third the command was interrupted';
comment on column recalls.why is 'What the person who recalled gave as the reason';
comment on column recalls.selection is 'What was named: teacher, route, terms, times, decision, prompt source or traces, JSON';
comment on column recalls.denies is 'True where the gate refuses the teacher, route or terms from then on';
comment on column recalls.begun_at is 'When it was begun, UTC: the gate refuses from then on';
comment on column recalls.applied_at is 'When it was through, UTC';
comment on column recalls.purged_at is 'When the files had been deleted, UTC';
comment on column recalls.attempts is 'Requests whose responses it withdraws';
comment on column recalls.traces is 'Traces that were read in them';
comment on column recalls.prompts is 'Prompts that hold such texts, and are withdrawn with them';
comment on column recalls.versions is 'Versions that it revokes';
comment on column recalls.successors is 'Versions published in their place';
comment on column recalls.students is 'Students that learned from a revoked version, and models made from those';
