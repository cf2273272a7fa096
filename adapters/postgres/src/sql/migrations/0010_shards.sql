-- A subscription is divided into shards, which processes claim: a row for each, which is never
-- deleted, since its epoch must not begin again. Without a position, it was claimed and has no
-- checkpoint yet.
ALTER TABLE cqrs.checkpoints
    ALTER COLUMN position DROP NOT NULL,
    ADD COLUMN first_slice smallint NOT NULL DEFAULT 0,
    ADD COLUMN last_slice smallint NOT NULL DEFAULT 1023,
    ADD COLUMN owner uuid,
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT checkpoints_pkey,
    ADD PRIMARY KEY (subscription, first_slice);

-- A process of an earlier version claims no shard, and moves checkpoints by their position alone.
-- It must not do so with the shards of a divided subscription, of which it knows nothing: it sets
-- `last_event_checkpoint`.
ALTER TABLE cqrs.checkpoints ADD CONSTRAINT divided_by_an_earlier_version CHECK (
    (first_slice = 0 AND last_slice = 1023) OR last_event_checkpoint IS NULL
);

-- The processes that handle subscriptions. The owner of a shard is dead if it is not here, or only
-- with a time that has passed.
CREATE TABLE cqrs.workers (
    id            uuid        PRIMARY KEY,
    subscriptions text[]      NOT NULL,
    expires       timestamptz NOT NULL,
    -- The server's process of a connection that the worker keeps open, and its start: without it, the
    -- worker is dead as well. NULL if it keeps none.
    backend       integer,
    backend_start timestamptz
);

-- The log needs no right to delete, and a role that has none is to go on writing.
GRANT DELETE ON cqrs.workers TO PUBLIC;

CREATE VIEW cqrs.live_workers AS
SELECT id, subscriptions
FROM cqrs.workers
WHERE expires >= clock_timestamp()
    AND (
        backend IS NULL
        OR EXISTS (
            SELECT FROM pg_stat_activity AS activity
            WHERE activity.pid = backend
                -- Another role may not see the start.
                AND activity.backend_start IS NOT DISTINCT FROM coalesce(
                    CASE WHEN activity.backend_start IS NOT NULL THEN workers.backend_start END,
                    activity.backend_start
                )
        )
    );
