-- Recalls: what was withdrawn and why. The rows are parts of kind `recalled`; these are the few facts about them.
create table store.recall (
    recall_id text primary key,  -- hash of the selection: the same selection is the same recall
    why text not null,
    selection json not null,
    denies boolean not null,  -- whether the gate refuses what these name; all three null: nobody is refused
    teacher text,
    route text,
    terms text,  -- id or hash
    state text not null check (state in ('applying', 'applied', 'purging', 'purged')),
    begun_at timestamptz not null,
    applied_at timestamptz,
    announced_at timestamptz,
    purged_at timestamptz
);
-- Versions that hold such rows, with how much of them that is: counted before anything is deleted.
create table store.revocation (
    recall_id text not null,
    version text not null,
    rows bigint not null,
    train_rows bigint not null,
    train_tokens bigint not null,
    recalled_rows bigint not null,
    recalled_train_rows bigint not null,
    recalled_train_tokens bigint not null,
    judged_rows bigint not null,  -- of other teachers, kept on the word of a recalled one as a judge
    revoked_at timestamptz not null,
    primary key (recall_id, version)
);
-- What was published in their place; without a version, `note` says why there is none.
create table store.succession (
    recall_id text not null,
    dataset text not null,
    version text,
    note text,
    succeeded_at timestamptz not null,
    primary key (recall_id, dataset)
);
-- Models made elsewhere, and what each was made from: a version (`dataset@...`), a student run, or such a model.
create table store.student (
    student text primary key,
    note text,
    added_at timestamptz not null
);
create table store.model_edge (
    child text not null,
    parent text not null,
    kind text not null check (kind in ('finetune', 'merge', 'quantise', 'distill')),
    added_at timestamptz not null,
    primary key (child, parent)
);
