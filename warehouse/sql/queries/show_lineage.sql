-- Where it went, and by which right.
select * from lineage where trace_id = $key order by version, student_run_id
