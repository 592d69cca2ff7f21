-- What becomes of every sample that a plan wants, given the ledger: one row a sample.
--   state: reused (answered for another dataset), answered, given_up, again (may have been paid), first
--   cut_attempt, cut_at: the beginning of an answer that it has, and the cap that cut it off
--   is_asked: this row makes the request; false also where another row of the plan makes the very same one
-- Parameters: $candidates (Parquet: ordinal, prompt_id, sample_index, rank, teacher, request_key, place), $dataset, $max_tokens.
-- Registered: asked_teachers (teacher, terms_sha256), outcome_rules (outcome, is_answer, asked_again).
create temp table decided as
with candidates as (
    select * from read_parquet($candidates)
),
wanted_keys as (
    select distinct request_key, teacher, terms_sha256 from candidates join asked_teachers using (teacher)
),
-- An answer given under other terms does not count, nor does any attempt under them, nor what was recalled.
tries as (
    select
        request_key,
        wanted_keys.teacher,
        attempts.attempt_id,
        attempts.state,
        attempts.dataset,
        attempts.outcome,
        attempts.max_tokens,
        coalesce(attempts.sent_at, attempts.received_at) as tried_at,
        attempts.state = 'paid' and coalesce(outcome_rules.is_answer, false) as is_answer,
        case coalesce(outcome_rules.asked_again, 'next_plan')
            when 'never' then false
            when 'higher_cap' then $max_tokens > attempts.max_tokens
            when 'other_cap' then $max_tokens <> attempts.max_tokens
            else true
        end as is_due
    from wanted_keys
    join attempts using (request_key, terms_sha256)
    left join outcome_rules using (outcome)
    where attempts.recalled_by is null
),
history as (
    select
        request_key,
        teacher,
        count(*) as attempts,
        bool_or(is_answer and not is_due) as is_done,
        bool_or(is_answer) as has_answer,
        -- the current answer, as the view `wanted` chooses it
        arg_min(dataset, row(outcome <> 'ok', -max_tokens, tried_at)) filter (where is_answer and not is_due) as answered_for,
        arg_max(state, tried_at) as last_state,
        arg_max(is_due, tried_at) as is_last_due,
        -- the beginning of an answer that there is most of
        arg_max(attempt_id, row(max_tokens, tried_at)) filter (where is_answer and outcome = 'truncated') as cut_attempt,
        max(max_tokens) filter (where is_answer and outcome = 'truncated') as cut_at
    from tries
    group by request_key, teacher
),
chosen as (
    select
        candidates.*,
        coalesce(attempts, 0) as attempts,
        case
            when is_done and answered_for = $dataset then 'answered'
            when is_done then 'reused'
            when last_state = 'failed' and not is_last_due then 'given_up'
            when last_state = 'maybe_paid' then 'again'
            else 'first'
        end as state,
        coalesce(has_answer, false) and not is_done as is_resampled,
        cut_attempt,
        cut_at
    from candidates
    left join history using (request_key, teacher)
    -- a teacher that has answered is kept, whatever the shares are now
    qualify row_number() over (partition by ordinal, sample_index order by coalesce(is_done, false) desc, rank) = 1
)
select
    ordinal,
    prompt_id,
    sample_index,
    teacher,
    request_key,
    place,
    attempts,
    state,
    is_resampled,
    cut_attempt,
    cut_at,
    state in ('first', 'again')
        and row_number() over (partition by request_key order by ordinal, sample_index) = 1 as is_asked
from chosen
