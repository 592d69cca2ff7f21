-- The first tables. Keys are content hashes or names; times are UTC; a table's key makes every insert repeatable.

create table store.file (  -- every Parquet part that readers may see
    path text primary key,  -- relative to the data root
    kind text not null,
    rows bigint not null,
    bytes bigint not null,
    sha256 text not null,
    dataset text,
    teacher text,
    terms_sha256 text,
    segment_id text,
    added_at timestamptz not null
);

create table store.run (
    run_id text primary key,
    dataset text not null,
    flow text not null,
    recipe json,
    recipe_sha256 text,
    started_at timestamptz not null,
    ended_at timestamptz,
    state text not null,
    simulated boolean
);

create table store.plan (
    plan_id text not null,
    dataset text not null,
    run_id text,
    recipe_sha256 text,
    wanted bigint not null,
    planned_at timestamptz not null,
    is_current boolean not null,
    primary key (plan_id, dataset)
);

create table store.decision (
    decision_id text primary key,
    prev_hash text,
    "at" timestamptz not null,
    verdict text not null check (verdict in ('allow', 'deny')),
    purpose text not null,
    teacher text not null,
    terms_id text,
    terms_sha256 text,
    reasons json,
    record json not null
);

create table store.terms (
    terms_id text,
    terms_sha256 text not null,
    teacher text not null,
    weights_license text,
    route text,
    route_license text,
    outputs_trainable text,
    conditions json,
    reviewed_by text,
    reviewed_on date,
    expires_on date,
    text json,
    primary key (terms_sha256, teacher)
);

create table store.teacher (  -- an entry of the registry as it was seen; a changed entry is a new row
    teacher text not null,
    model text not null,
    revision text,
    route text not null,
    account text,
    pool text,
    base_url text,
    simulated boolean not null,
    entry json not null,
    seen_at timestamptz not null,
    primary key (teacher, entry)
);

create table store.judge_run (
    judge_run text not null,
    dataset text not null,
    plan_id text,
    rule_set text not null,
    rules json,
    judged_at timestamptz not null,
    traces bigint not null,
    kept bigint not null,
    rejected bigint not null,
    undecided bigint not null,
    quarantined bigint not null,
    is_current boolean not null,
    primary key (judge_run, dataset)
);

create table store.version (
    version text primary key check (contains(version, '@')),  -- dataset@YYYY.MM.DD.N: unique in the data root
    dataset text not null,
    folder text not null,
    content_digest text not null,
    manifest_sha256 text,
    rows bigint not null,
    train_rows bigint not null,
    validation_rows bigint not null,
    tokens bigint,
    simulated boolean not null,
    recipe_sha256 text,
    judge_run text,
    run_id text,
    published_at timestamptz not null
);

create table store.shard (
    version text not null,
    shard text not null,
    split text not null,
    rows bigint not null,
    bytes bigint not null,
    sha256 text not null,
    teacher text,
    terms_id text,
    terms_sha256 text,
    primary key (version, shard)
);

create table store.student_run (
    student_run_id text primary key,
    version text not null,
    student json,
    student_sha256 text,
    model text not null,
    device text,
    state text not null,
    accuracy_before double,
    accuracy_after double,
    metrics json,
    checkpoint text,
    started_at timestamptz not null,
    ended_at timestamptz,
    run_id text,
    simulated boolean not null
);

create table store.view_set (  -- one row: which views these are
    sha256 text not null,  -- of the SQL files
    root text  -- in a published copy: the data root whose files the views name
);
