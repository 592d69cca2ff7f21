-- Who lost to whom among traces of the same text.
create or replace view duplicates as
select
    d.dataset,
    d.judge_run,
    d.trace_id,
    d.duplicate_of,
    d.kind,
    d.jaccard,
    d.teacher,
    d.duplicate_of_teacher,
    coalesce(j.is_current, false) as is_current
from store.duplicates_parquet as d
left join store.judge_run as j using (judge_run, dataset);

comment on view duplicates is 'Traces that lost to another trace of the same or nearly the same text.';
comment on column duplicates.dataset is 'The dataset it was judged for: duplicates are judged within a dataset';
comment on column duplicates.judge_run is 'The judging that said it';
comment on column duplicates.trace_id is 'The trace that lost';
comment on column duplicates.duplicate_of is 'The trace that survived';
comment on column duplicates.kind is 'exact or near';
comment on column duplicates.jaccard is 'Similarity of the two, 0 to 1';
comment on column duplicates.teacher is 'Teacher of the trace that lost';
comment on column duplicates.duplicate_of_teacher is 'Teacher of the trace that survived';
comment on column duplicates.is_current is 'True when it belongs to the dataset''s current judge run';
