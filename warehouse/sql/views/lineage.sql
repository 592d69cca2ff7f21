-- Both ways in one query: student run - version - shard - row - trace - attempt - decision - terms. A trace that is in no
-- version, or a version that no student learned from, has nulls there; a version with two student runs has each row twice.
create or replace view lineage as
select
    s.student_run_id,
    s.model as student_model,
    s.state as student_state,
    r.version,
    coalesce(v.dataset, a.dataset) as dataset,
    r.split,
    r.shard,
    h.sha256 as shard_sha256,
    r.row_index,
    t.trace_id,
    t.prompt_id,
    t.request_key,
    t.attempt_id,
    t.run_id,
    a.sent_at,
    t.received_at,
    a.provider_request_id,
    t.teacher,
    t.route,
    t.simulated,
    t.decision_id,
    d.verdict as decision_verdict,
    d."at" as decided_at,
    r.decision_id as publication_decision_id,
    t.terms_id,
    t.terms_sha256,
    m.weights_license,
    m.route_license,
    m.outputs_trainable,
    m.reviewed_by
from traces as t
left join store.version_rows_parquet as r using (trace_id)
left join store.version as v on v.version = r.version
left join store.shard as h on h.version = r.version and h.shard = r.shard
left join store.student_run as s on s.version = r.version
left join store.ledger_parquet as a on a.attempt_id = t.attempt_id
left join store.decision as d on d.decision_id = t.decision_id
left join store.terms as m on m.terms_sha256 = t.terms_sha256 and m.teacher = t.teacher;

comment on view lineage is 'Student run, version, shard, row, trace, attempt, decision, terms: both ways in one query.';
comment on column lineage.student_run_id is 'The training that read the row; null when none did';
comment on column lineage.student_model is 'The model that was trained';
comment on column lineage.student_state is 'How that training ended';
comment on column lineage.version is 'The version that holds the row; null when none does';
comment on column lineage.dataset is 'The version''s dataset, or else the one that asked';
comment on column lineage.split is 'train or validation';
comment on column lineage.shard is 'The file in the version''s folder';
comment on column lineage.shard_sha256 is 'Its checksum';
comment on column lineage.row_index is 'The row in it, from 0';
comment on column lineage.trace_id is 'The trace: traces.trace_id';
comment on column lineage.prompt_id is 'The prompt: prompts.prompt_id';
comment on column lineage.request_key is 'The request';
comment on column lineage.attempt_id is 'The HTTP request that brought it: attempts.attempt_id';
comment on column lineage.run_id is 'The run that asked: runs.run_id';
comment on column lineage.sent_at is 'When it was sent, UTC';
comment on column lineage.received_at is 'When the response was complete, UTC';
comment on column lineage.provider_request_id is 'The provider''s id of the request';
comment on column lineage.teacher is 'The registry''s name of the teacher';
comment on column lineage.route is 'How the model was reached';
comment on column lineage.simulated is 'True for the simulated teacher';
comment on column lineage.decision_id is 'The gate''s decision that let it be asked';
comment on column lineage.decision_verdict is 'What it said';
comment on column lineage.decided_at is 'When, UTC';
comment on column lineage.publication_decision_id is 'The gate''s decision that let it be published';
comment on column lineage.terms_id is 'Name of the terms it was asked under';
comment on column lineage.terms_sha256 is 'Hash of those terms: terms.terms_sha256';
comment on column lineage.weights_license is 'Licence of the weights';
comment on column lineage.route_license is 'Terms of the route';
comment on column lineage.outputs_trainable is 'yes, conditional, no or unknown';
comment on column lineage.reviewed_by is 'The person who signed';
