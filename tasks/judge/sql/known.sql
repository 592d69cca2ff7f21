-- What row-wise rules of the same versions and thresholds found before in answers that are asked about now.
select f.* exclude (row_rules, request_key), a.request_key
from store.findings_parquet as f
join asked as a on a.trace_id = f.trace_id and a.prompt_id = f.prompt_id and a.given = f.given
where f.row_rules = $row_rules
qualify row_number() over (partition by f.trace_id, f.prompt_id) = 1
