-- Each prompt's side. A side once fixed stays; a new prompt goes where its cluster is, to validation if that is on both sides;
-- a new cluster goes by a hash of its name. A prompt of train whose cluster reaches into validation is left out.
create or replace temp table split_side as
with fixed as (
    select prompt_id, min(side) as side
    from store.splits_parquet
    where dataset = $dataset
    group by prompt_id
),
clustered as (
    select prompt_id, key_id, coalesce(cluster_id, key_id) as cluster_id, fixed.side
    from split_prompt
    left join split_linked using (key_id)
    left join fixed using (prompt_id)
),
cluster as (
    select
        cluster_id,
        coalesce(bool_or(side = 'validation'), false) as in_validation,
        coalesce(bool_or(side = 'train'), false) as in_train,
        ('0x' || substr(md5('side ' || cluster_id), 1, 12))::bigint / (1::bigint << 48) as draw
    from clustered
    group by cluster_id
)
select
    prompt_id,
    key_id,
    cluster_id,
    case
        when side is not null then side
        when in_validation then 'validation'
        when in_train then 'train'
        when draw < $fraction then 'validation'
        else 'train'
    end as side,
    side is null as is_new,
    coalesce(side = 'train' and in_validation, false) as is_merged
from clustered
join cluster using (cluster_id)
