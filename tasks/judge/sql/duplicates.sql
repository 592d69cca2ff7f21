-- Who lost to whom, of one teacher's traces.
select
    $dataset as dataset,
    $judge_run as judge_run,
    trace_id,
    similar_to as duplicate_of,
    kind,
    jaccard,
    teacher,
    similar_to_teacher as duplicate_of_teacher
from late
where is_duplicate and teacher = $teacher
order by trace_id
