-- What the row-wise rules found for the first time, of one teacher's traces.
select $row_rules as row_rules, j.*
from read_parquet($found) as j
where j.teacher = $teacher and j.terms_sha256 is not distinct from $terms
order by j.trace_id, j.prompt_id
