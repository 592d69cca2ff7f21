-- Where each trace came from, one row a trace: what was asked, of whom, how, under which terms, what came back, what read
-- it, and whose duplicates it stands for. What all rules said of it is in verdicts, where it went in lineage.
create or replace view provenance as
select
    t.trace_id,
    t.attempt_id,
    t.request_key,
    t.sample_index,
    t.prompt_id,
    p.source as prompt_source,
    p.source_row as prompt_source_row,
    p.license as prompt_license,
    t.teacher,
    t.route,
    t.teacher_model,
    t.teacher_revision,
    t.served_model,
    t.system_fingerprint,
    a.provider_request_id,
    t.terms_id,
    t.terms_sha256,
    t.decision_id,
    coalesce(d.record ->> '$.teacher.watermark.status', 'unknown') as watermark,
    t.run_id,
    r.recipe_sha256,
    (r.recipe -> '$.sampling')::varchar as sampling,
    t.max_tokens,
    t.resampled,
    t.continues,
    a.sent_at,
    t.received_at,
    t.finish_reason,
    t.reasoning_source,
    t.prompt_tokens,
    t.completion_tokens,
    t.reasoning_tokens,
    t.usage_source,
    sha256(a.body) as response_sha256,
    t.parser,
    t.reading,
    coalesce(l.losers, []) as stands_for,
    t.recalled_by
from traces as t
left join prompts as p on p.prompt_id = t.prompt_id
left join store.ledger_parquet as a on a.attempt_id = t.attempt_id
left join store.decision as d on d.decision_id = t.decision_id
left join store.run as r on r.run_id = t.run_id
left join (
    select duplicate_of, list(distinct trace_id order by trace_id) as losers from duplicates where is_current group by all
) as l on l.duplicate_of = t.trace_id;

comment on view provenance is 'Where each trace came from: prompt, teacher, terms, request, response, parser, and whose duplicates it stands for.';
comment on column provenance.trace_id is 'Key: traces.trace_id';
comment on column provenance.attempt_id is 'The HTTP request that brought it: attempts.attempt_id';
comment on column provenance.request_key is 'Hash of the request, less max_tokens';
comment on column provenance.sample_index is 'Which of the prompt''s samples, from 0';
comment on column provenance.prompt_id is 'Content hash of the prompt: prompts.prompt_id';
comment on column provenance.prompt_source is 'File or generator it was read from';
comment on column provenance.prompt_source_row is 'Line or row in it, from 1';
comment on column provenance.prompt_license is 'Licence of the prompt';
comment on column provenance.teacher is 'The registry''s name of the teacher';
comment on column provenance.route is 'How the model was reached';
comment on column provenance.teacher_model is 'Model id that was asked for';
comment on column provenance.teacher_revision is 'Revision, where stated';
comment on column provenance.served_model is 'Model id that the response names';
comment on column provenance.system_fingerprint is 'The server''s fingerprint, where it gives one';
comment on column provenance.provider_request_id is 'The provider''s id of the request';
comment on column provenance.terms_id is 'Name of the terms it was asked under';
comment on column provenance.terms_sha256 is 'Hash of those terms: terms.terms_sha256';
comment on column provenance.decision_id is 'The gate''s decision that let it be asked';
comment on column provenance.watermark is 'declared where the teacher''s entry names a key; else unknown, which never means absent';
comment on column provenance.run_id is 'The run that asked: runs.run_id';
comment on column provenance.recipe_sha256 is 'Hash of that run''s recipe';
comment on column provenance.sampling is 'Its sampling, JSON: temperature, top_p, seed and the like';
comment on column provenance.max_tokens is 'The cap of the request';
comment on column provenance.resampled is 'True for a fresh draw after a cut-off answer';
comment on column provenance.continues is 'The attempt whose beginning was sent along; null for most';
comment on column provenance.sent_at is 'When the request was sent, UTC';
comment on column provenance.received_at is 'When the response was complete, UTC';
comment on column provenance.finish_reason is 'Why the teacher stopped';
comment on column provenance.reasoning_source is 'Where the reasoning stood: field, tags or none';
comment on column provenance.prompt_tokens is 'Tokens of the prompt';
comment on column provenance.completion_tokens is 'Tokens of the response, reasoning included';
comment on column provenance.reasoning_tokens is 'Of those, reasoning, where the server says';
comment on column provenance.usage_source is 'reported by the server, or estimated';
comment on column provenance.response_sha256 is 'SHA-256 of the response''s raw body as it was received';
comment on column provenance.parser is 'Version of the parser that read it';
comment on column provenance.reading is '0, or which later reading of the stored response this is';
comment on column provenance.stands_for is 'Traces that lost to it as duplicates, whoever taught them';
comment on column provenance.recalled_by is 'The recall that withdrew it: recalls.recall_id; null for most';
