-- Stored responses that were read again by a later parser: one row a time, its rows are parts of kind `readings`.
create table store.reading (
    dataset text not null,
    reading integer not null,  -- from 1; of several readings of a response the highest holds
    parser integer not null,
    read_at timestamptz not null,
    responses bigint not null,  -- that were read
    changed bigint not null,  -- that were read otherwise than before
    primary key (dataset, reading)
);
