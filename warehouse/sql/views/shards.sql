create or replace view shards as
select
    version,
    shard,
    split,
    rows,
    bytes,
    sha256,
    teacher,
    terms_id,
    terms_sha256
from store.shard;

comment on view shards is 'Every file of every published version.';
comment on column shards.version is 'Key, with shard: versions.version';
comment on column shards.shard is 'Name of the file in the version''s folder';
comment on column shards.split is 'train, validation or heldout';
comment on column shards.rows is 'Rows in it';
comment on column shards.bytes is 'Its size';
comment on column shards.sha256 is 'Checksum of its bytes';
comment on column shards.teacher is 'The one teacher whose rows it holds';
comment on column shards.terms_id is 'Name of the one set of terms';
comment on column shards.terms_sha256 is 'Hash of those terms';
