create or replace view lineage_by_teacher as
from store.current_reach;

comment on view lineage_by_teacher is 'Teacher, terms, version, student run: what each teacher''s rows have reached, without reading a row.';
comment on column lineage_by_teacher.teacher is 'The registry''s name of the teacher';
comment on column lineage_by_teacher.route is 'How the model was reached';
comment on column lineage_by_teacher.terms_id is 'Name of the terms the rows were asked under';
comment on column lineage_by_teacher.terms_sha256 is 'Hash of those terms: terms.terms_sha256';
comment on column lineage_by_teacher.weights_license is 'Licence of the weights';
comment on column lineage_by_teacher.route_license is 'Terms of the route';
comment on column lineage_by_teacher.outputs_trainable is 'yes, conditional, no or unknown';
comment on column lineage_by_teacher.dataset is 'The dataset';
comment on column lineage_by_teacher.version is 'A version that holds rows of that teacher under those terms: versions.version';
comment on column lineage_by_teacher.published_at is 'When it was published, UTC';
comment on column lineage_by_teacher.shards is 'Files of the version that hold them, and nothing else';
comment on column lineage_by_teacher.rows is 'Rows of that teacher under those terms in the version';
comment on column lineage_by_teacher.version_rows is 'All train and validation rows of the version';
comment on column lineage_by_teacher.share is 'rows / version_rows, 0 to 1';
comment on column lineage_by_teacher.folder is 'Where the version lies';
comment on column lineage_by_teacher.student_run_id is 'A training that read the version; null when none did. A version with two has each row twice';
comment on column lineage_by_teacher.student_model is 'The model that was trained';
comment on column lineage_by_teacher.student_state is 'How that training ended';
comment on column lineage_by_teacher.checkpoint is 'Where the trained student lies';
