-- A row that PostgreSQL removes when it recovers from a crash, as it does with all rows of unlogged
-- tables. Such a crash may have taken back commits of read models, which do not wait for the disk: a
-- process that knew another marker reads its checkpoints again.
CREATE UNLOGGED TABLE cqrs.crash_marker (
    id     smallint PRIMARY KEY CHECK (id = 1),
    marker uuid     NOT NULL
);
