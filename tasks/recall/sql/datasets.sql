-- The datasets to be judged again: whose current plan wants such an answer, or was judged by such a word, or that published such rows.
with touched as (
    select w.dataset
    from store.plans_parquet as w
    join store.plan as p using (plan_id, dataset)
    where p.is_current and w.request_key in (select request_key from withdrawn)
    union
    select dataset from on_its_word
    union
    select v.dataset from store.version as v semi join reached_version using (version)
)
select distinct regexp_replace(dataset, '[+]judge$', '') as dataset
from touched
where regexp_replace(dataset, '[+]judge$', '') in (select dataset from store.plan where is_current)
order by dataset
