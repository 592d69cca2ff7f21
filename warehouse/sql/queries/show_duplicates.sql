-- Whom it lost to, and who lost to it.
select * from duplicates where trace_id = $key or duplicate_of = $key order by judge_run, trace_id
