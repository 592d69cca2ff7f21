-- The last word on every trace: what the row-wise rules said, unless it survived them and is a duplicate or one too many.
select
    j.trace_id,
    j.prompt_id,
    j.request_key,
    $dataset as dataset,
    $judge_run as judge_run,
    $rule_set as rule_set,
    case when l.reason is not null then 'rejected' else j.outcome end as outcome,
    coalesce(l.reason, j.reason) as reason,
    coalesce(l.rule, j.rule) as rule,
    coalesce(l.rule_version, j.rule_version)::int as rule_version,
    coalesce(l.details, j.details) as details,
    case when l.signal is null then j.signals else left(j.signals, -1) || ', ' || l.signal || '}' end as signals,
    j.teacher,
    j.terms_sha256,
    $now::timestamptz as judged_at
from read_parquet($judged) as j
left join late as l using (trace_id)
where j.teacher = $teacher and j.terms_sha256 is not distinct from $terms
order by j.trace_id
