create or replace view version_rows as
select
    version,
    shard,
    row_index,
    split,
    trace_id,
    request_key,
    prompt_id,
    teacher,
    terms_id,
    terms_sha256,
    decision_id
from store.version_rows_parquet;

comment on view version_rows is 'Every row of every published version: which trace lies where.';
comment on column version_rows.version is 'The version: versions.version';
comment on column version_rows.shard is 'The file in the version''s folder: shards.shard';
comment on column version_rows.row_index is 'Row in the shard, from 0';
comment on column version_rows.split is 'train or validation';
comment on column version_rows.trace_id is 'The trace: traces.trace_id';
comment on column version_rows.request_key is 'The request it answers';
comment on column version_rows.prompt_id is 'The prompt: prompts.prompt_id';
comment on column version_rows.teacher is 'The registry''s name of the teacher';
comment on column version_rows.terms_id is 'Name of the terms it is published under';
comment on column version_rows.terms_sha256 is 'Hash of those terms';
comment on column version_rows.decision_id is 'The gate''s decision that let it be published';
