-- What a version is made of: the traces that passed every rule, by each dataset's current judge run.
create or replace view kept as
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
where v.is_current and v.outcome = 'kept' and t.recalled_by is null;

comment on view kept is 'The traces that passed every rule, with question, reasoning and answer, by each dataset''s current judging.';
comment on column kept.dataset is 'The dataset it was judged for';
comment on column kept.trace_id is 'The trace: traces.trace_id';
comment on column kept.prompt_id is 'The prompt: prompts.prompt_id';
comment on column kept.request_key is 'The request it answers';
comment on column kept.sample_index is 'Which of the samples wanted for the prompt, from 0';
comment on column kept.teacher is 'The registry''s name of the teacher';
comment on column kept.teacher_model is 'Model id that was asked for';
comment on column kept.question is 'The last user message';
comment on column kept.reference is 'The reference answer, if the source has one';
comment on column kept.reasoning is 'The teacher''s reasoning';
comment on column kept.answer is 'The teacher''s answer';
comment on column kept.family is 'The prompt''s group';
comment on column kept.license is 'The prompt''s licence';
comment on column kept.trace_outcome is 'ok, truncated, refused or empty';
comment on column kept.finish_reason is 'As the server gave it';
comment on column kept.prompt_tokens is 'Tokens of the request';
comment on column kept.completion_tokens is 'Tokens of the response, reasoning included';
comment on column kept.reasoning_tokens is 'Tokens of the reasoning, where reported';
comment on column kept.cost_usd is 'Dollars; null when the price is unknown';
comment on column kept.terms_id is 'Name of the terms it was asked under';
comment on column kept.terms_sha256 is 'Hash of those terms';
comment on column kept.decision_id is 'The gate''s decision that let it be asked';
comment on column kept.simulated is 'True for the simulated teacher';
comment on column kept.received_at is 'When the response was complete, UTC';
comment on column kept.judged_at is 'When it was judged, UTC';
comment on column kept.judge_run is 'The dataset''s current judging';
comment on column kept.rule_set is 'Hash of every rule''s name, version and threshold';
comment on column kept.signals is 'JSON: what every rule measured';
