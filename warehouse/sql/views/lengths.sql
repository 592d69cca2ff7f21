-- What caps did to the lengths of the current plans' answers. An answer that was cut off and drawn again is a fresh draw
-- where a long one was: `first_*` has in its place what was drawn first, as far as that went.
create or replace view lengths as
with first_draws as (
    select request_key, arg_min(completion_tokens, (sent_at, attempt_id)) as first_tokens
    from store.current_attempt
    where state = 'paid' and batch_id is distinct from 'preflight'
    group by request_key
),
answers as (
    select
        w.dataset,
        w.teacher,
        coalesce(t.resampled, false) as is_resampled,
        t.continues is not null as is_continued,
        t.outcome = 'truncated' as is_truncated,
        t.completion_tokens as tokens,
        case when t.resampled then f.first_tokens else t.completion_tokens end as first_tokens
    from wanted as w
    join store.current_trace as t using (attempt_id)
    left join first_draws as f on f.request_key = w.request_key
    where w.trace_id is not null
)
select
    dataset,
    teacher,
    count(*) as answers,
    count(*) filter (where is_resampled) as resampled,
    count(*) filter (where is_continued) as continued,
    count(*) filter (where is_truncated) as truncated,
    avg(tokens) as mean_tokens,
    avg(first_tokens) as first_mean_tokens,
    avg(tokens) / nullif(avg(first_tokens), 0) - 1 as shift,
    quantile_cont(tokens, 0.5) as p50_tokens,
    quantile_cont(first_tokens, 0.5) as first_p50_tokens,
    quantile_cont(tokens, 0.9) as p90_tokens,
    quantile_cont(first_tokens, 0.9) as first_p90_tokens,
    quantile_cont(tokens, 0.99) as p99_tokens,
    quantile_cont(first_tokens, 0.99) as first_p99_tokens
from answers
group by dataset, teacher;

comment on view lengths is 'How long the current plans'' answers are, and by how much asking the long ones again has shortened them.';
comment on column lengths.dataset is 'The dataset';
comment on column lengths.teacher is 'The teacher that answered';
comment on column lengths.answers is 'Answers of the current plan';
comment on column lengths.resampled is 'Of them: fresh draws, because an earlier one was cut off by its cap';
comment on column lengths.continued is 'Of them: cut off, and continued from where they were; that shifts nothing';
comment on column lengths.truncated is 'Of them: cut off by the recipe''s own max_tokens';
comment on column lengths.mean_tokens is 'Mean completion tokens';
comment on column lengths.first_mean_tokens is 'The same with the first draws of what was resampled, as far as they went: the true mean is no lower';
comment on column lengths.shift is 'mean_tokens over first_mean_tokens, less 1; below 0: asking again has shortened the data by at least so much';
comment on column lengths.p50_tokens is 'Median of completion tokens';
comment on column lengths.first_p50_tokens is 'The same of the first draws';
comment on column lengths.p90_tokens is '90 of 100 are no longer';
comment on column lengths.first_p90_tokens is 'The same of the first draws';
comment on column lengths.p99_tokens is '99 of 100 are no longer';
comment on column lengths.first_p99_tokens is 'The same of the first draws';
