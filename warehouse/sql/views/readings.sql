-- What later parsers made of stored responses, where that was something else than before.
create or replace view readings as
select
    r.dataset,
    r.reading,
    r.attempt_id,
    r.request_key,
    r.teacher,
    r.parser,
    r.read_at,
    r.state_before,
    r.outcome_before,
    r.trace_before,
    r.state,
    r.outcome,
    r.error,
    r.trace_id,
    r.changed,
    c.attempt_id is not null as is_current
from store.readings_parquet as r
left join store.current_reading as c on c.attempt_id = r.attempt_id and c.reading = r.reading;

comment on view readings is 'Stored responses that `still reparse` read otherwise than before: what they were, and what they are.';
comment on column readings.dataset is 'The dataset whose run asked';
comment on column readings.reading is 'Key, with attempt_id: which reading again of the dataset, from 1';
comment on column readings.attempt_id is 'The response: attempts.attempt_id';
comment on column readings.request_key is 'The request';
comment on column readings.teacher is 'The registry''s name of the teacher';
comment on column readings.parser is 'Version of the parser that read it';
comment on column readings.read_at is 'When, UTC';
comment on column readings.state_before is 'The attempt''s state until then';
comment on column readings.outcome_before is 'Its outcome until then';
comment on column readings.trace_before is 'Its trace until then: traces.trace_id; null when it had none';
comment on column readings.state is 'Its state since';
comment on column readings.outcome is 'Its outcome since';
comment on column readings.error is 'One line; null when ok';
comment on column readings.trace_id is 'Its trace since: traces.trace_id; null when it has none';
comment on column readings.changed is 'What was read otherwise: outcome, reasoning, answer, content, finish_reason, usage, ...';
comment on column readings.is_current is 'False where a still later reading took its place';
