create or replace view student_runs as
select
    s.student_run_id,
    s.version,
    v.dataset,
    s.model,
    s.device,
    s.state,
    s.accuracy_before,
    s.accuracy_after,
    s.started_at,
    s.ended_at,
    epoch(s.ended_at - s.started_at) as duration_s,
    s.checkpoint,
    s.simulated,
    s.run_id,
    s.student_sha256,
    s.student,
    s.metrics
from store.student_run as s
left join store.version as v using (version);

comment on view student_runs is 'Every training of a student on a version.';
comment on column student_runs.student_run_id is 'Key';
comment on column student_runs.version is 'The version it was trained on: versions.version';
comment on column student_runs.dataset is 'The dataset of that version';
comment on column student_runs.model is 'The model that was trained';
comment on column student_runs.device is 'cpu or gpu';
comment on column student_runs.state is 'How it ended';
comment on column student_runs.accuracy_before is 'Share of held-out prompts answered right before training, 0 to 1';
comment on column student_runs.accuracy_after is 'The same after training';
comment on column student_runs.started_at is 'When it began, UTC';
comment on column student_runs.ended_at is 'When it ended, UTC';
comment on column student_runs.duration_s is 'Seconds it took';
comment on column student_runs.checkpoint is 'Where the trained student lies';
comment on column student_runs.simulated is 'True when it learned from the simulated teacher';
comment on column student_runs.run_id is 'The run that trained it: runs.run_id';
comment on column student_runs.student_sha256 is 'Hash of the student''s configuration';
comment on column student_runs.student is 'Its configuration, JSON';
comment on column student_runs.metrics is 'What was measured, per family, with intervals, JSON';
