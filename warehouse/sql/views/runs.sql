create or replace view runs as
select
    run_id,
    dataset,
    flow,
    state,
    started_at,
    ended_at,
    epoch(ended_at - started_at) as duration_s,
    simulated,
    recipe_sha256,
    recipe
from store.run;

comment on view runs is 'Every run of a flow.';
comment on column runs.run_id is 'Key';
comment on column runs.dataset is 'The dataset it worked on';
comment on column runs.flow is 'Name of the flow';
comment on column runs.state is 'running, completed, failed or cancelled; a run that was killed stays running';
comment on column runs.started_at is 'When it began, UTC';
comment on column runs.ended_at is 'When it ended, UTC';
comment on column runs.duration_s is 'Seconds it took';
comment on column runs.simulated is 'True when its teacher is the simulated one';
comment on column runs.recipe_sha256 is 'Hash of the recipe';
comment on column runs.recipe is 'The whole recipe, JSON';
