-- What every judging said of it, the current ones first.
select * from verdicts where trace_id = $key order by is_current desc, judged_at desc, dataset
