-- The answers of a teacher whose screen has fired: from the window that fired on, or those that hold a phrase. Of several firings the
-- first says why, and a window before a phrase.
-- Registered: firing (teacher, from_at, reason, details, trace_id). Parameters: $dataset, $version.
create temp table held as
with aside as (
    select w.trace_id, f.from_at, f.reason, f.details
    from wanted as w
    join traces as t on t.trace_id = w.trace_id
    join firing as f on f.teacher = t.teacher and f.trace_id is null and t.received_at >= f.from_at
    where w.dataset = $dataset
    union all
    select w.trace_id, 'infinity'::timestamptz as from_at, f.reason, f.details
    from wanted as w
    join firing as f on f.trace_id = w.trace_id
    where w.dataset = $dataset
)
select
    trace_id,
    arg_min(reason, row(from_at, reason)) as reason,
    'screen' as rule,
    $version::int as rule_version,
    arg_min(details, row(from_at, reason)) as details
from aside
group by trace_id
