-- Each teacher as its registry entry was last seen by a run.
create or replace view teachers as
select distinct on (teacher)
    teacher,
    model,
    revision,
    route,
    account,
    pool,
    base_url,
    simulated,
    seen_at,
    coalesce(json_extract_string(entry, '$.reasoning'), 'unknown') as reasoning,
    coalesce(json_extract_string(entry, '$.watermark.status'), 'unknown') as watermark,
    entry
from store.teacher
order by teacher, seen_at desc, entry::varchar;

comment on view teachers is 'Each teacher as its registry entry was last seen by a run.';
comment on column teachers.teacher is 'Key: the registry''s name';
comment on column teachers.model is 'Model id that is asked for';
comment on column teachers.revision is 'Revision, where stated';
comment on column teachers.route is 'How the model is reached';
comment on column teachers.account is 'The account that is charged';
comment on column teachers.pool is 'The rate pool of the account';
comment on column teachers.base_url is 'The endpoint';
comment on column teachers.simulated is 'True for the simulated teacher';
comment on column teachers.seen_at is 'When a run last saw this entry, UTC';
comment on column teachers.reasoning is 'What its entry says of the reasoning: raw, summary, encrypted, none or unknown';
comment on column teachers.watermark is 'declared, where its entry states one with its key; otherwise unknown, never absent';
comment on column teachers.entry is 'The whole entry, JSON; keys are named in it, never written';
