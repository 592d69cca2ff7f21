create or replace view versions as
select
    v.version,
    v.dataset,
    published_at,
    rows,
    train_rows,
    validation_rows,
    tokens,
    simulated,
    folder,
    content_digest,
    manifest_sha256,
    recipe_sha256,
    judge_run,
    run_id,
    r.recall_id as revoked_by,
    r.revoked_at,
    s.version as successor,
    exists (select 1 from store.succession as o where o.version = v.version) as is_successor
from store.version as v
left join (
    select version, arg_min(recall_id, (revoked_at, recall_id)) as recall_id, min(revoked_at) as revoked_at
    from store.revocation group by version
) as r using (version)
left join store.succession as s on s.recall_id = r.recall_id and s.dataset = v.dataset;

comment on view versions is 'Every published version of a dataset.';
comment on column versions.version is 'Key: dataset@YYYY.MM.DD.N';
comment on column versions.dataset is 'The dataset';
comment on column versions.published_at is 'When, UTC';
comment on column versions.rows is 'Rows in the train and validation shards';
comment on column versions.train_rows is 'Rows in the train shards';
comment on column versions.validation_rows is 'Rows in the validation shards';
comment on column versions.tokens is 'Completion tokens in it';
comment on column versions.simulated is 'True when the rows are the simulated teacher''s';
comment on column versions.folder is 'Where it lies; `datasets.load_dataset` takes this folder';
comment on column versions.content_digest is 'Hash of the content, whatever wrote it';
comment on column versions.manifest_sha256 is 'Hash of the manifest''s bytes';
comment on column versions.recipe_sha256 is 'Hash of the recipe it was made by';
comment on column versions.judge_run is 'The judging whose kept rows it holds';
comment on column versions.run_id is 'The run that published it: runs.run_id';
comment on column versions.revoked_by is 'The recall that revoked it: recalls.recall_id; nothing trains on it. Null for most';
comment on column versions.revoked_at is 'When that was, UTC';
comment on column versions.successor is 'The version that recall published in its place, without the rows';
comment on column versions.is_successor is 'True where it took the place of versions that a recall revoked: no training starts by itself';
