-- What the rules that look at all traces say of each, as one row: the first reason, and all signals.
create temp table last_word as
with said as (
    select 1 as step, trace_id, outcome, reason, 'vote' as rule, $vote_version as rule_version, details, signal from vote
    union all
    select
        2, trace_id, case when reason is not null then 'rejected' end, reason, 'pass_rate', $pass_rate_version, details, signal
    from pass_rate
    union all
    select 3, trace_id, 'quarantined', reason, rule, rule_version, details, null from held
    union all
    select 4, trace_id, case when reason is not null then 'rejected' end, reason, rule, rule_version, details, signal from late
),
first_word as (
    select trace_id, arg_min(said, step) as word
    from said where outcome is not null and outcome <> 'kept' group by trace_id
)
select
    s.trace_id,
    bool_or(s.outcome = 'kept') as is_elected,
    any_value(f.word) as word,
    string_agg(s.signal, ', ' order by s.step) as signal
from said as s
left join first_word as f using (trace_id)
group by s.trace_id
