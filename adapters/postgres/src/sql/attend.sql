-- Registers a process ($1) with its subscriptions ($2) for $3 seconds, or extends its registration.
-- $4 and $5 are the server's process of its connection for notifications, and the start of that.
-- Returns the processes, as rows without epoch, and the shards of their subscriptions.
WITH attending AS (
    INSERT INTO cqrs.workers (id, subscriptions, expires, backend, backend_start)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3), $4, $5)
    ON CONFLICT (id) DO UPDATE
    SET
        subscriptions = excluded.subscriptions, expires = excluded.expires,
        backend = excluded.backend, backend_start = excluded.backend_start
), expired AS (
    -- Not those that are attending again: after an outage, all are expired, and each would wait for the others.
    DELETE FROM cqrs.workers
    WHERE id IN (
        SELECT id FROM cqrs.workers
        WHERE id <> $1 AND expires < clock_timestamp()
        FOR UPDATE SKIP LOCKED
    )
), live AS MATERIALIZED (
    SELECT $1::uuid AS id, $2::text[] AS subscriptions
    UNION ALL
    SELECT id, subscriptions FROM cqrs.live_workers WHERE id <> $1
)
SELECT
    id AS owner, subscriptions, NULL::bigint AS epoch, NULL AS subscription,
    NULL::smallint AS first_slice, NULL::smallint AS last_slice, NULL::bigint AS position,
    NULL::uuid AS last_event, NULL::bigint AS last_event_position, NULL AS halt, NULL AS halt_reason,
    NULL::bigint AS halt_since, NULL::bigint AS halt_position, NULL AS ahead, NULL AS divided_by,
    NULL::bigint AS parked
FROM live
UNION ALL
SELECT
    live.id, NULL, shard.epoch, shard.subscription, shard.first_slice, shard.last_slice,
    shard.position,
    CASE
        WHEN shard.last_event_checkpoint = shard.position
            OR shard.first_slice > 0 OR shard.last_slice < 1023
            THEN shard.last_event
    END,
    shard.last_event_position, shard.halt, shard.halt_reason, shard.halt_since, shard.halt_position,
    shard.ahead, coalesce(parked.partition, shard.divided_by), parked.keys
FROM cqrs.checkpoints AS shard LEFT JOIN live ON live.id = shard.owner
CROSS JOIN LATERAL (
    SELECT count(*) AS keys, min(partition) AS partition
    FROM cqrs.parked_keys
    WHERE parked_keys.subscription = shard.subscription
        AND slice BETWEEN shard.first_slice AND shard.last_slice
) AS parked
WHERE shard.subscription IN (SELECT unnest(subscriptions) FROM live)
ORDER BY subscription, first_slice, owner
