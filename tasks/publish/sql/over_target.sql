-- A target publishes its first rows in the order of the plan; what is kept beyond them is left out.
with planned as (
    select request_key, min(file_row_number) as place
    from read_parquet($plan, file_row_number = true)
    group by request_key
),
beyond as (
    select trace_id
    from publishable
    join planned using (request_key)
    where left_out is null
    qualify row_number() over (order by place, trace_id) > $target
)
update publishable set left_out = 'over_target' from beyond where publishable.trace_id = beyond.trace_id
