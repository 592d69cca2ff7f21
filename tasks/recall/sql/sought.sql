-- What is searched for: ids, and the marks of the texts that nobody else gave.
select
    coalesce(list(distinct attempt_id) filter (where attempt_id is not null), []) as attempts,
    coalesce(list(distinct trace_id) filter (where trace_id is not null and not is_shared), []) as traces,
    coalesce(list(distinct prompt_id) filter (where reach = 'prompt'), []) as prompts,
    coalesce(
        list_distinct(flatten(list(marks) filter (where not is_shared))), []
    )::ubigint[] as marks,
    count(*) filter (where (trace_id is not null or reach = 'prompt') and not is_shared and len(marks) = 0) as by_key_alone
from withdrawn
