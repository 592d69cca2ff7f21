-- Every kept trace of one judging, without its texts: its side, and why it is left out if it is.
create or replace temp table publishable as
select
    trace.trace_id,
    trace.request_key,
    trace.prompt_id,
    trace.teacher,
    trace.terms_id,
    trace.terms_sha256,
    trace.simulated,
    trace.completion_tokens,
    side.side,
    admitted.decision_id,
    case
        when admitted.decision_id is null or trace.decision_id is null then 'not_admitted'
        when side.is_merged then 'merged_across_sides'
    end as left_out
from verdicts as verdict
join traces as trace using (trace_id)
join split_side as side on side.prompt_id = verdict.prompt_id
left join admitted on admitted.teacher = trace.teacher and admitted.terms_sha256 = trace.terms_sha256
where verdict.dataset = $dataset
    and verdict.judge_run = $judge_run
    and verdict.outcome = 'kept'
    and trace.recalled_by is null
