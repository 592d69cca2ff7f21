-- Pairs of questions that share a bucket, unless a crowd shares it: then the bucket is of a template, not of a problem.
with narrow as (
    select bucket
    from split_bucket
    group by bucket
    having count(*) between 2 and $crowd
),
pair as (
    select distinct one.question as one_n, other.question as other_n
    from split_bucket as one
    semi join narrow using (bucket)
    join split_bucket as other using (bucket)
    where one.question < other.question
)
select one.key_id as one_id, one.key as one_key, other.key_id as other_id, other.key as other_key
from pair
join split_question as one on one.n = one_n
join split_question as other on other.n = other_n
order by one_n, other_n
