-- Nothing is dropped: the traces that a rule rejected, by each dataset's current judge run, each with its reason.
create or replace view rejected as
select
    v.dataset,
    v.trace_id,
    v.prompt_id,
    v.request_key,
    t.sample_index,
    t.teacher,
    t.teacher_model,
    p.question,
    p.reference,
    t.reasoning,
    t.answer,
    v.reason,
    v.rule,
    v.rule_version,
    v.details,
    p.family,
    p.license,
    t.outcome as trace_outcome,
    t.finish_reason,
    t.prompt_tokens,
    t.completion_tokens,
    t.reasoning_tokens,
    t.cost_usd,
    t.terms_id,
    t.terms_sha256,
    t.decision_id,
    t.simulated,
    t.received_at,
    v.judged_at,
    v.judge_run,
    v.rule_set,
    v.signals
from verdicts as v
join traces as t using (trace_id)
left join prompts as p on p.prompt_id = v.prompt_id
where v.is_current and v.outcome = 'rejected' and t.recalled_by is null;

comment on view rejected is 'The traces that a rule rejected, with the reason, by each dataset''s current judging.';
comment on column rejected.dataset is 'The dataset it was judged for';
comment on column rejected.trace_id is 'The trace: traces.trace_id';
comment on column rejected.prompt_id is 'The prompt: prompts.prompt_id';
comment on column rejected.request_key is 'The request it answers';
comment on column rejected.sample_index is 'Which of the samples wanted for the prompt, from 0';
comment on column rejected.teacher is 'The registry''s name of the teacher';
comment on column rejected.teacher_model is 'Model id that was asked for';
comment on column rejected.question is 'The last user message';
comment on column rejected.reference is 'The reference answer, if the source has one';
comment on column rejected.reasoning is 'The teacher''s reasoning';
comment on column rejected.answer is 'The teacher''s answer';
comment on column rejected.reason is 'Code of the first failing rule';
comment on column rejected.rule is 'Its name';
comment on column rejected.rule_version is 'Its version';
comment on column rejected.details is 'One line that a person reads';
comment on column rejected.family is 'The prompt''s group';
comment on column rejected.license is 'The prompt''s licence';
comment on column rejected.trace_outcome is 'ok, truncated, refused or empty';
comment on column rejected.finish_reason is 'As the server gave it';
comment on column rejected.prompt_tokens is 'Tokens of the request';
comment on column rejected.completion_tokens is 'Tokens of the response, reasoning included';
comment on column rejected.reasoning_tokens is 'Tokens of the reasoning, where reported';
comment on column rejected.cost_usd is 'Dollars; null when the price is unknown';
comment on column rejected.terms_id is 'Name of the terms it was asked under';
comment on column rejected.terms_sha256 is 'Hash of those terms';
comment on column rejected.decision_id is 'The gate''s decision that let it be asked';
comment on column rejected.simulated is 'True for the simulated teacher';
comment on column rejected.received_at is 'When the response was complete, UTC';
comment on column rejected.judged_at is 'When it was judged, UTC';
comment on column rejected.judge_run is 'The dataset''s current judging';
comment on column rejected.rule_set is 'Hash of every rule''s name, version and threshold';
comment on column rejected.signals is 'JSON: what every rule measured';
