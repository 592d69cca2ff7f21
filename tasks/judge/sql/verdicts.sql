-- The last word on every trace: what the row-wise rules said, unless it survived them and is held back by a
-- screen, a duplicate or one too many.
select
    j.trace_id,
    j.prompt_id,
    j.request_key,
    $dataset as dataset,
    $judge_run as judge_run,
    $rule_set as rule_set,
    case when l.reason is not null then 'rejected' when h.reason is not null then 'quarantined' else j.outcome end as outcome,
    coalesce(l.reason, h.reason, j.reason) as reason,
    coalesce(l.rule, h.rule, j.rule) as rule,
    coalesce(l.rule_version, h.rule_version, j.rule_version)::int as rule_version,
    coalesce(l.details, h.details, j.details) as details,
    case when l.signal is null then j.signals else left(j.signals, -1) || ', ' || l.signal || '}' end as signals,
    j.teacher,
    j.terms_sha256,
    $now::timestamptz as judged_at
from read_parquet($judged) as j
left join late as l using (trace_id)
left join held as h on h.trace_id = j.trace_id and j.outcome = 'kept'
where j.teacher = $teacher and j.terms_sha256 is not distinct from $terms
order by j.trace_id
