-- The answers of a teacher whose screen has fired, from the window that fired on; of several firings the first says why.
-- Registered: firing (teacher, from_at, reason, details). Parameters: $dataset, $version.
create temp table held as
select
    w.trace_id,
    arg_min(f.reason, row(f.from_at, f.reason)) as reason,
    'screen' as rule,
    $version::int as rule_version,
    arg_min(f.details, row(f.from_at, f.reason)) as details
from wanted as w
join traces as t on t.trace_id = w.trace_id
join firing as f on f.teacher = t.teacher and t.received_at >= f.from_at
where w.dataset = $dataset
group by w.trace_id
