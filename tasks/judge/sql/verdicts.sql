-- The last word on every trace: what the row-wise rules said, unless it survived them, or lacked only a reference and was put to
-- the vote.
with worded as (
    select
        j.*,
        l.signal,
        l.word,
        coalesce(l.is_elected, false) as is_elected,
        j.outcome = 'kept' or coalesce(l.is_elected, false) or (j.reason = 'no_reference' and l.word is not null) as is_open
    from read_parquet($judged) as j
    left join last_word as l using (trace_id)
)
select
    trace_id,
    prompt_id,
    request_key,
    $dataset as dataset,
    $judge_run as judge_run,
    $rule_set as rule_set,
    case when is_open then coalesce(word.outcome, 'kept') else outcome end as outcome,
    case when is_open then word.reason else reason end as reason,
    case when is_open then word.rule else rule end as rule,
    case when is_open then word.rule_version else rule_version end::int as rule_version,
    case when is_open then word.details else details end as details,
    case when signal is null then signals else left(signals, -1) || ', ' || signal || '}' end as signals,
    teacher,
    terms_sha256,
    $now::timestamptz as judged_at
from worded
where teacher = $teacher and terms_sha256 is not distinct from $terms
order by trace_id
