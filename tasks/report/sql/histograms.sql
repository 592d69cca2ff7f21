-- Forty bins for each measure, by whether the answer was kept. Lengths, seconds and ratios are cut by their logarithm where the
-- largest is twenty times the smallest or more (lengths only beyond 400: a bin holds whole tokens); a value below the floor
-- counts as the floor.
with measured as (
    unpivot (
        select
            outcome = 'kept' as is_kept,
            said.reasoning.reasoning_tokens::double as reasoning_tokens,
            greatest(0, said.length.tokens - coalesce(said.reasoning.reasoning_tokens, 0))::double as answer_tokens,
            latency_s::double as latency_s,
            said.repetition.repeated::double as repeated,
            said.repetition.compression::double as compression
        from sample
        where trace_id is not null
    )
    on reasoning_tokens, answer_tokens, latency_s, repeated, compression
    into name measure value value
),
ranged as (
    select
        measure,
        case measure when 'latency_s' then 0.01 when 'compression' then 0.1 else 1 end as floor,
        min(value) as least_value,
        max(value) as most_value,
        median(value) filter (where is_kept) as kept_median,
        median(value) filter (where not is_kept) as lost_median
    from measured
    group by measure
),
scaled as (
    select
        *,
        measure like '%tokens' as is_whole,
        measure <> 'repeated' and most_value >= 20 * greatest(least_value, floor)
            and (measure not like '%tokens' or most_value >= 400) as is_log
    from ranged
),
placed as (
    select
        measure,
        is_log,
        case when is_log then ln(greatest(least_value, floor)) else least_value end as low,
        case
            when is_log then ln(greatest(most_value, floor))
            when is_whole then least_value + 40 * ceil((most_value - least_value + 1) / 40)
            else most_value
        end as high,
        kept_median,
        lost_median,
        floor
    from scaled
),
binned as (
    select
        measure,
        m.is_kept,
        least(39, coalesce(
            floor(40 * (case when p.is_log then ln(greatest(m.value, p.floor)) else m.value end - p.low)
                / nullif(p.high - p.low, 0)),
            0
        ))::int as bin
    from measured as m
    join placed as p using (measure)
)
select
    p.measure,
    p.is_log,
    p.low,
    p.high,
    p.kept_median,
    p.lost_median,
    b.bin,
    count(*) filter (where b.is_kept) as kept,
    count(*) filter (where not b.is_kept) as lost
from binned as b
join placed as p using (measure)
group by all
order by p.measure, b.bin
