-- Pairs of questions that share a bucket, unless a crowd shares it: then the bucket is of a template, not of a problem.
with bucketed as (
    select distinct bucket, key_id
    from split_bucket
),
narrow as (
    select bucket
    from bucketed
    group by bucket
    having count(*) between 2 and $crowd
),
pair as (
    select distinct one.key_id as one_id, other.key_id as other_id
    from bucketed as one
    semi join narrow using (bucket)
    join bucketed as other using (bucket)
    where one.key_id < other.key_id
),
question as (
    select key_id, min(key) as key
    from split_prompt
    group by key_id
)
select one_id, one.key as one_key, other_id, other.key as other_key
from pair
join question as one on one.key_id = one_id
join question as other on other.key_id = other_id
order by one_id, other_id
