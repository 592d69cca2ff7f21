-- Of each survivor the share of its sampled 20-grams that stand in the traces of many prompts. Counted first by trace, which is
-- cheap and leaves few, and only these by prompt.
create temp table template as
with gram as (
    select s.place, unnest(j.grams) as gram
    from survivor as s
    join read_parquet($judged, filename = true, file_row_number = true) as j
        on j.filename = s.file and j.file_row_number = s.file_row
    where len(j.grams) >= $fewest
),
frequent as (
    select gram from gram group by gram having count(*) > $prompts
),
common as (
    select gram
    from (
        select distinct g.gram, s.prompt_id
        from gram as g
        semi join frequent using (gram)
        join survivor as s using (place)
    )
    group by gram
    having count(*) > $prompts
),
covered as (
    select place, count(*) as templates from gram semi join common using (gram) group by place
)
select c.place, c.templates / len(j.grams) as share
from covered as c
join survivor as s using (place)
join read_parquet($judged, filename = true, file_row_number = true) as j
    on j.filename = s.file and j.file_row_number = s.file_row
