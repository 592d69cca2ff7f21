-- Pairs of places that share a band: among the texts long enough to be compared across prompts, and within each prompt. In a
-- bucket of more than 32, everybody is paired with the best and with its neighbour only, so that pairs grow like rows.
create temp table candidate as
with compared as (
    select place, prompt_id, words from survivor
    where words > 0 and place not in (select place from exact where is_duplicate)
),
sketched as (
    select c.place, c.prompt_id, c.words, unnest(j.bands) as band
    from compared as c
    join survivor as s using (place)
    join read_parquet($judged, filename = true, file_row_number = true) as j
        on j.filename = s.file and j.file_row_number = s.file_row
),
several as (
    select prompt_id from compared group by prompt_id having count(*) > 1
),
keyed as (
    select band as bucket, place from sketched where words >= $across
    union all
    select hash(band, prompt_id) as bucket, place from sketched semi join several using (prompt_id)
),
crowded as (
    select bucket, count(*) as members, min(place) as best from keyed group by bucket having count(*) > 1
),
seated as (
    select bucket, place, members, best from keyed join crowded using (bucket)
)
select a.place as best, b.place as place
from seated as a join seated as b on a.bucket = b.bucket and a.place < b.place
where a.members <= 32 and b.members <= 32
union
select best, place from seated where members > 32 and place > best
union
select neighbour, place
from (
    select lag(place) over (partition by bucket order by place) as neighbour, place
    from seated where members > 32
)
where neighbour is not null
