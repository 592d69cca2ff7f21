-- What the screens said of teachers: one row a look, never changed; a firing stands until a recipe acknowledges its id.
create table store.screen (
    look_id text primary key,
    dataset text not null,
    teacher text not null,
    screen text not null,
    settings text not null,  -- hash of the screen's settings: changed ones look anew
    nth integer not null,  -- window, from 1
    verdict text not null check (verdict in ('fired', 'passed', 'too_few', 'unknown', 'baseline')),
    n bigint not null,
    reference_n bigint not null,
    statistic text not null,
    p double,
    level double not null,
    power text not null,
    counts json,  -- by family of prompts: [right, canaries]
    from_at timestamptz,
    to_at timestamptz,
    run_id text,
    looked_at timestamptz not null
);
