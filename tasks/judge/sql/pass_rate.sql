-- How many of each prompt's samples are right: its difficulty for these teachers. Tried are the samples that were checked, elected or
-- outvoted, and those that gave no answer to check (truncated, empty, refused); one sample says nothing of a prompt.
create temp table pass_rate as
with tried as (
    select
        j.trace_id,
        j.prompt_id,
        j.is_tried or coalesce(v.outcome in ('kept', 'rejected'), false) as is_tried,
        j.is_right or coalesce(v.is_elected, false) as is_right
    from read_parquet($judged) as j
    left join vote as v using (trace_id)
),
rated as (
    select
        trace_id,
        count(*) filter (is_tried) over (partition by prompt_id) as tried,
        count(*) filter (is_tried and is_right) over (partition by prompt_id) as passed
    from tried
)
select
    trace_id,
    case
        when tried < $fewest then null
        when passed / tried < $least then 'none_pass'
        when passed / tried > $most then 'all_pass'
    end as reason,
    format('{} of {} samples of its prompt are right', passed, tried) as details,
    format('"pass_rate": {{"passed": {}, "tried": {}}}', passed, tried) as signal
from rated
where tried > 1
