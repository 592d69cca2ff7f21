select
    count(distinct attempt_id) as attempts,
    count(distinct trace_id) as traces,
    count(distinct prompt_id) filter (where reach = 'prompt') as prompts,
    count(distinct trace_id) filter (where is_shared) as shared,
    (select count(*) from kept where trace_id in (select trace_id from withdrawn)) as kept,
    (select count(distinct (dataset, trace_id)) from on_its_word) as judged,
    (select count(*) from duplicates where is_current and duplicate_of in (select trace_id from withdrawn)
        and trace_id not in (select trace_id from withdrawn where trace_id is not null)) as losers
from withdrawn
