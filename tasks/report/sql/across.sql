-- How many lost to another teacher's trace.
select count(*) as traces
from duplicates
where judge_run = $judge_run and dataset = $dataset and teacher <> duplicate_of_teacher
