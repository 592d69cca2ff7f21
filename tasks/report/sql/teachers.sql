-- The teachers of the judged answers, each under its terms; dollars are added as decimals, so that no order of adding shows.
select
    s.teacher,
    min(s.teacher_model) as model,
    coalesce(bool_or(s.simulated), false) as simulated,
    min(m.terms_id) as terms_id,
    s.terms_sha256,
    min(m.weights_license) as weights_license,
    min(m.route_license) as route_license,
    min(m.outputs_trainable) as outputs_trainable,
    min(m.reviewed_by) as reviewed_by,
    count(*) as judged,
    count(*) filter (where s.outcome = 'kept') as kept,
    count(*) filter (where s.is_published) as published,
    count(*) filter (where s.cost_usd is null) as unpriced,
    case when count(*) filter (where s.cost_usd is null) = 0 then sum(s.cost_usd::decimal(38, 12))::double end as usd
from sample as s
left join terms as m on m.terms_sha256 = s.terms_sha256 and m.teacher = s.teacher
where s.trace_id is not null
group by s.teacher, s.terms_sha256
order by judged desc, s.teacher, s.terms_sha256
