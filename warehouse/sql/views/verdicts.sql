-- What all rules said of each trace, for every judge run there ever was.
create or replace view verdicts as
select
    v.trace_id,
    v.prompt_id,
    v.request_key,
    v.dataset,
    v.judge_run,
    v.rule_set,
    v.outcome,
    v.reason,
    v.rule,
    v.rule_version,
    v.details,
    v.signals::json as signals,
    v.teacher,
    v.terms_sha256,
    v.judged_at,
    coalesce(j.is_current, false) as is_current
from store.verdicts_parquet as v
left join store.judge_run as j using (judge_run, dataset);

comment on view verdicts is 'What all rules said of each trace, for every judge run; is_current picks each dataset''s present one.';
comment on column verdicts.trace_id is 'The trace: traces.trace_id';
comment on column verdicts.prompt_id is 'The prompt: prompts.prompt_id';
comment on column verdicts.request_key is 'The request it answers';
comment on column verdicts.dataset is 'The dataset it was judged for';
comment on column verdicts.judge_run is 'The judging that said it';
comment on column verdicts.rule_set is 'Hash of every rule''s name, version and threshold';
comment on column verdicts.outcome is 'kept, rejected, undecided or quarantined';
comment on column verdicts.reason is 'Code of the first failing rule; null when kept';
comment on column verdicts.rule is 'Name of the first failing rule';
comment on column verdicts.rule_version is 'Its version';
comment on column verdicts.details is 'One line that a person reads';
comment on column verdicts.signals is 'JSON: what every rule measured';
comment on column verdicts.teacher is 'The registry''s name of the teacher';
comment on column verdicts.terms_sha256 is 'Hash of the terms the trace was given under';
comment on column verdicts.judged_at is 'When, UTC';
comment on column verdicts.is_current is 'True when it belongs to the dataset''s current judge run';
