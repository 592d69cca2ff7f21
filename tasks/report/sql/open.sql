-- Why samples have no verdict: how they stand now, if the plan is still the current one.
select
    s.teacher,
    case
        when w.status is null then 'unanswered'
        when w.status in ('answered', 'reused') then 'unjudged'
        else w.status
    end as status,
    count(*) as samples
from sample as s
left join (select * from wanted where dataset = $dataset and plan_id = $plan_id) as w using (request_key)
where s.trace_id is null
group by all
order by all
