-- Every answer that the dataset's current plan wants, and the reply of an LLM judge about it. `given` stands for what beside the texts of
-- trace and prompt the rules are shown.
create temp table asked as
with opinion as (
    select unnest(from_json(p.metadata::json -> 'judges', '["VARCHAR"]')) as judges, w.trace_id as opinion_id
    from wanted as w
    join prompts as p using (prompt_id)
    where w.dataset = $opinions and w.trace_id is not null
)
select w.trace_id, w.prompt_id, w.request_key, o.opinion_id, hash(p.metadata, o.opinion_id)::text as given
from wanted as w
join prompts as p using (prompt_id)
left join opinion as o on o.judges = w.trace_id
where w.dataset = $dataset and w.trace_id is not null
