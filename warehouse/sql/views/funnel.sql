-- Every row is accounted for: wanted = reused + answered + failed + maybe_paid + not_asked, and
-- reused + answered = kept + rejected + undecided + quarantined + unjudged.
create or replace view funnel as
with judged as (
    select dataset, trace_id, outcome, judge_run
    from store.verdicts_parquet
    semi join (select judge_run, dataset from store.judge_run where is_current) using (judge_run, dataset)
),
current_judging as (
    select dataset, any_value(judge_run) as judge_run from store.judge_run where is_current group by dataset
),
target as (
    select dataset, arg_max({'rows': (recipe ->> '$.target.kept')::bigint}, started_at) as last
    from store.run
    where flow <> 'train'
    group by dataset
)
select
    p.dataset,
    p.plan_id,
    any_value(c.judge_run) as judge_run,
    count(w.request_key) as wanted,
    count(*) filter (where w.status = 'reused') as reused,
    count(*) filter (where w.status = 'answered') as answered,
    count(*) filter (where w.status = 'failed') as failed,
    count(*) filter (where w.status = 'maybe_paid') as maybe_paid,
    count(*) filter (where w.status = 'not_asked') as not_asked,
    count(*) filter (where v.outcome = 'kept') as kept,
    count(*) filter (where v.outcome = 'rejected') as rejected,
    count(*) filter (where v.outcome = 'undecided') as undecided,
    count(*) filter (where v.outcome = 'quarantined') as quarantined,
    count(*) filter (where w.trace_id is not null and v.outcome is null) as unjudged,
    greatest(0, coalesce(count(*) filter (where v.outcome = 'kept') - any_value(t.last.rows), 0)) as over_target
from store.plan as p
left join wanted as w using (dataset, plan_id)
left join judged as v on v.dataset = w.dataset and v.trace_id = w.trace_id
left join current_judging as c on c.dataset = p.dataset
left join target as t on t.dataset = p.dataset
where p.is_current
group by p.dataset, p.plan_id;

comment on view funnel is 'How far each dataset''s current plan is, from wanted to kept; the sums always hold.';
comment on column funnel.dataset is 'Key: the dataset';
comment on column funnel.plan_id is 'Its current plan';
comment on column funnel.judge_run is 'Its current judging';
comment on column funnel.wanted is 'Samples wanted = reused + answered + failed + maybe_paid + not_asked';
comment on column funnel.reused is 'Answered by an attempt of another dataset';
comment on column funnel.answered is 'Answered by an attempt of this dataset';
comment on column funnel.failed is 'Tried without an answer';
comment on column funnel.maybe_paid is 'Interrupted in flight, and not answered since';
comment on column funnel.not_asked is 'Not asked yet, or to be asked again: other terms, a raised cap';
comment on column funnel.kept is 'Answers that passed every rule';
comment on column funnel.rejected is 'Answers that a rule rejected';
comment on column funnel.undecided is 'Answers that a rule could not decide on';
comment on column funnel.quarantined is 'Answers held back for a person to look at';
comment on column funnel.unjudged is 'Answers that the current judging has not seen';
comment on column funnel.over_target is 'Of kept: beyond the target of the last run''s recipe, so not published';
