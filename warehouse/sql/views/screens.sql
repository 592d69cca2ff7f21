create or replace view screens as
select
    look_id,
    dataset,
    teacher,
    screen,
    nth as window_number,
    verdict,
    statistic,
    n,
    reference_n,
    p,
    level as threshold,
    power,
    from_at,
    to_at,
    run_id,
    looked_at
from store.screen;

comment on view screens is 'What each look at a teacher''s answers said, and with which power; a teacher whose screen fired is paused.';
comment on column screens.look_id is 'Key; a firing is acknowledged by naming it in the recipe';
comment on column screens.dataset is 'The dataset whose answers were looked at';
comment on column screens.teacher is 'The registry''s name of the teacher';
comment on column screens.screen is 'accuracy, style, family, identity, trigger or watermark';
comment on column screens.window_number is 'Which window of its answers, from 1';
comment on column screens.verdict is 'fired, passed, too_few (for a window), unknown (nothing can be said) or baseline (nothing to compare with yet)';
comment on column screens.statistic is 'What was compared, with its values';
comment on column screens.n is 'Answers, or canaries, in the window';
comment on column screens.reference_n is 'Those it was compared with; 0: a rate that the recipe states';
comment on column screens.p is 'How probable this or more is if nothing has changed; null where nothing was tested';
comment on column screens.threshold is 'It fires where p is at most this: what the window may use up of the screen''s risk';
comment on column screens.power is 'Which change would have been seen, and with which probability';
comment on column screens.from_at is 'When the first answer of the window came, UTC';
comment on column screens.to_at is 'When its last one came, UTC';
comment on column screens.run_id is 'The run that looked: runs.run_id';
comment on column screens.looked_at is 'When it looked, UTC';
