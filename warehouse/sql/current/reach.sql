-- What each teacher's terms have reached. Only the catalog's small tables: each shard holds rows of one teacher under one set
-- of terms, so no Parquet is read. In a published copy its rows are kept, see `keep_reach`.
create or replace view store.current_reach as
select
    h.teacher,
    m.route,
    h.terms_id,
    h.terms_sha256,
    m.weights_license,
    m.route_license,
    m.outputs_trainable,
    v.dataset,
    h.version,
    v.published_at,
    h.shards,
    h.rows,
    v.train_rows + v.validation_rows as version_rows,
    h.rows / nullif(v.train_rows + v.validation_rows, 0) as share,
    v.folder,
    s.student_run_id,
    s.model as student_model,
    s.state as student_state,
    s.checkpoint
from (
    select version, teacher, terms_id, terms_sha256, count(*) as shards, sum(rows)::bigint as rows
    from store.shard
    where teacher is not null
    group by all
) as h
join store.version as v on v.version = h.version
left join store.terms as m on m.terms_sha256 = h.terms_sha256 and m.teacher = h.teacher
left join store.student_run as s on s.version = h.version;
