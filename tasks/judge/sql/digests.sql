-- The sketches of the traces that are in a pair.
create temp table sketch as
select s.place, j.digest
from read_parquet($judged, filename = true, file_row_number = true) as j
join survivor as s on s.file = j.filename and s.file_row = j.file_row_number
where s.place in (select best from candidate union select place from candidate)
