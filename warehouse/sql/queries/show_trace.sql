-- The trace with all that was measured.
select * from traces where trace_id = $key
