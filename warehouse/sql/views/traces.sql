-- Every parsed response once. Two attempts may bring the same text for one request key, and with it the same trace_id;
-- the first received that is not recalled is shown, as it was last read. What an earlier parser read stays, since versions may hold it.
-- The choice is made on narrow columns, so that the texts are never sorted.
create or replace view traces as
select
    t.trace_id,
    t.attempt_id,
    t.request_key,
    t.prompt_id,
    t.sample_index,
    t.teacher,
    t.route,
    t.teacher_model,
    t.teacher_revision,
    t.terms_id,
    t.terms_sha256,
    t.decision_id,
    t.simulated,
    t.served_model,
    t.system_fingerprint,
    t.run_id,
    t.outcome,
    t.reasoning,
    t.reasoning_source,
    t.answer,
    t.content,
    t.finish_reason,
    t.max_tokens,
    t.prompt_tokens,
    t.completion_tokens,
    t.reasoning_tokens,
    t.usage_source,
    t.cost_usd,
    t.latency_s,
    t.received_at,
    t.text_hash,
    t.resampled,
    t.continues,
    coalesce(t.parser, 1) as parser,
    coalesce(t.reading, 0) as reading,
    first.is_current,
    w.recalled_by
from store.traces_parquet as t
join (
    select
        trace_id,
        arg_min(attempt_id, (is_recalled, not is_current, received_at, attempt_id, -reading)) as attempt_id,
        arg_min(reading, (is_recalled, not is_current, received_at, attempt_id, -reading)) as reading,
        bool_or(is_current) as is_current
    from (
        select
            t.trace_id,
            t.attempt_id,
            t.received_at,
            coalesce(t.reading, 0) as reading,
            coalesce(t.reading, 0) = coalesce(r.reading, 0) as is_current,
            c.recalled_by is not null as is_recalled
        from store.traces_parquet as t
        left join store.current_reading as r on r.attempt_id = t.attempt_id
        left join store.current_recalled as c on c.attempt_id = t.attempt_id
    )
    group by trace_id
) as first on first.trace_id = t.trace_id and first.attempt_id = t.attempt_id and first.reading = coalesce(t.reading, 0)
left join store.current_recalled as w on w.attempt_id = t.attempt_id;

comment on view traces is 'Every parsed response of a teacher: reasoning, answer, usage, and under which terms it was given.';
comment on column traces.trace_id is 'Key: content hash of request key, reasoning, content and finish reason; after a reading again of outcome and answer too';
comment on column traces.attempt_id is 'The attempt that brought it: attempts.attempt_id';
comment on column traces.request_key is 'Hash of model, revision, route, rendered request less max_tokens, and sample index';
comment on column traces.prompt_id is 'The prompt: prompts.prompt_id';
comment on column traces.sample_index is 'Which of the samples wanted for the prompt, from 0';
comment on column traces.teacher is 'The registry''s name of the teacher';
comment on column traces.route is 'How the model was reached';
comment on column traces.teacher_model is 'Model id that was asked for';
comment on column traces.teacher_revision is 'Revision that the registry states';
comment on column traces.terms_id is 'Name of the terms it was asked under';
comment on column traces.terms_sha256 is 'Hash of those terms: terms.terms_sha256';
comment on column traces.decision_id is 'The gate''s decision that let it be asked';
comment on column traces.simulated is 'True for the simulated teacher';
comment on column traces.served_model is 'Model id in the response';
comment on column traces.system_fingerprint is 'The server''s fingerprint in the response';
comment on column traces.run_id is 'The run that asked: runs.run_id';
comment on column traces.outcome is 'ok, truncated, refused or empty; connection or timeout: the beginning of a stream that broke off';
comment on column traces.reasoning is 'The reasoning, whatever the server calls it';
comment on column traces.reasoning_source is 'Where it was found: field, tags or none';
comment on column traces.answer is 'The content less the reasoning';
comment on column traces.content is 'The content as the server gave it';
comment on column traces.finish_reason is 'As the server gave it; interrupted: a stream ended in mid-answer, and this is no answer';
comment on column traces.max_tokens is 'The cap that was asked for';
comment on column traces.prompt_tokens is 'Tokens of the request';
comment on column traces.completion_tokens is 'Tokens of the response, reasoning included';
comment on column traces.reasoning_tokens is 'Tokens of the reasoning, where reported';
comment on column traces.usage_source is 'reported, estimated or unknown';
comment on column traces.cost_usd is 'Dollars; null when the price is unknown';
comment on column traces.latency_s is 'Seconds from sent to received';
comment on column traces.received_at is 'When the response was complete, UTC';
comment on column traces.text_hash is 'Hash of normalised reasoning and answer: exact duplicates share it';
comment on column traces.resampled is 'True for a fresh draw, made because an earlier one was cut off by its cap: such draws shorten the data';
comment on column traces.continues is 'The attempt whose answer it goes on with; texts, completion tokens and dollars are then of both together';
comment on column traces.parser is 'Version of the parser that read it';
comment on column traces.reading is '0: as it was first read; else the reading again that made it: readings.reading';
comment on column traces.is_current is 'False where a later reading of the response took its place; versions may still hold it';
comment on column traces.recalled_by is 'The recall that withdrew it: recalls.recall_id; then it is neither kept, published nor reused';
