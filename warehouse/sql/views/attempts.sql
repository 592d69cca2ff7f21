-- The ledger: one row an HTTP request; state, outcome and error as the response is read now. Headers and body come last; name the columns you want and they are not read.
create or replace view attempts as
select
    attempt_id,
    request_key,
    prompt_id,
    sample_index,
    dataset,
    run_id,
    batch_id,
    teacher,
    route,
    teacher_model,
    teacher_revision,
    terms_id,
    terms_sha256,
    decision_id,
    simulated,
    account,
    pool,
    state,
    outcome,
    status,
    max_tokens,
    sent_at,
    received_at,
    latency_s,
    prompt_tokens,
    completion_tokens,
    reasoning_tokens,
    usage_source,
    cost_usd,
    worst_tokens,
    worst_cost_usd,
    served_model,
    system_fingerprint,
    provider_request_id,
    prompt_class,
    resampled,
    continues,
    provider,
    parser,
    recalled_by,
    error,
    headers,
    body
from store.current_attempt;

comment on view attempts is 'The ledger: every HTTP request ever made to a teacher, with its raw response.';
comment on column attempts.attempt_id is 'Key';
comment on column attempts.request_key is 'Hash of model, revision, route, rendered request less max_tokens, and sample index';
comment on column attempts.prompt_id is 'The prompt: prompts.prompt_id';
comment on column attempts.sample_index is 'Which of the samples wanted for the prompt, from 0';
comment on column attempts.dataset is 'The dataset whose run asked';
comment on column attempts.run_id is 'The run that asked: runs.run_id';
comment on column attempts.batch_id is 'The batch it was sent in';
comment on column attempts.teacher is 'The registry''s name of the teacher';
comment on column attempts.route is 'How the model was reached';
comment on column attempts.teacher_model is 'Model id that was asked for';
comment on column attempts.teacher_revision is 'Revision that the registry states';
comment on column attempts.terms_id is 'Name of the terms it was asked under';
comment on column attempts.terms_sha256 is 'Hash of those terms: terms.terms_sha256';
comment on column attempts.decision_id is 'The gate''s decision that let it be asked';
comment on column attempts.simulated is 'True for the simulated teacher';
comment on column attempts.account is 'The account that is charged';
comment on column attempts.pool is 'The rate pool of the account';
comment on column attempts.state is 'paid, failed, or maybe_paid (interrupted in flight)';
comment on column attempts.outcome is 'One of the closed set: ok, truncated, refused, empty, malformed, rate_limited, ...';
comment on column attempts.status is 'HTTP status; null when no response arrived';
comment on column attempts.max_tokens is 'The cap that was asked for; of a continuation with what it goes on with';
comment on column attempts.sent_at is 'When it was sent, UTC';
comment on column attempts.received_at is 'When the response was complete, UTC; null when none arrived';
comment on column attempts.latency_s is 'Seconds from sent to received';
comment on column attempts.prompt_tokens is 'Tokens of the request';
comment on column attempts.completion_tokens is 'Tokens of the response, reasoning included';
comment on column attempts.reasoning_tokens is 'Tokens of the reasoning, where reported';
comment on column attempts.usage_source is 'reported, estimated or unknown';
comment on column attempts.cost_usd is 'Dollars; null when the price is unknown';
comment on column attempts.worst_tokens is 'Tokens that were reserved for it';
comment on column attempts.worst_cost_usd is 'Dollars that were reserved for it';
comment on column attempts.served_model is 'Model id in the response';
comment on column attempts.system_fingerprint is 'The server''s fingerprint in the response';
comment on column attempts.provider_request_id is 'The provider''s id of the request';
comment on column attempts.prompt_class is 'Hash of wording, sampling and family: requests whose answers'' lengths are looked at together';
comment on column attempts.resampled is 'True for a fresh draw, made because an earlier one was cut off by its cap';
comment on column attempts.continues is 'The attempt whose answer it goes on with, which was sent along: attempts.attempt_id';
comment on column attempts.provider is 'In whose form the response was read; null before that was kept';
comment on column attempts.parser is 'Version of the parser that read the response as it is shown: state, outcome, error';
comment on column attempts.recalled_by is 'The recall that withdrew it: recalls.recall_id; null for most';
comment on column attempts.error is 'One line; null when ok';
comment on column attempts.headers is 'Response headers as JSON, keys redacted';
comment on column attempts.body is 'The raw response';
