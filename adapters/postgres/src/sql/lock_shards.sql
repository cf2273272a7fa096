-- Locks the shards of a subscription ($1) and returns their columns as `select_shards.sql` does.
SELECT
    NULL::uuid, NULL, shard.epoch, shard.subscription, shard.first_slice, shard.last_slice,
    shard.position,
    CASE
        WHEN shard.last_event_checkpoint = shard.position
            OR shard.first_slice > 0 OR shard.last_slice < 1023
            THEN shard.last_event
    END,
    shard.last_event_position, shard.halt, shard.halt_reason, shard.halt_since, shard.halt_position,
    shard.ahead, coalesce(parked.partition, shard.divided_by), parked.keys
FROM cqrs.checkpoints AS shard
CROSS JOIN LATERAL (
    SELECT count(*) AS keys, min(partition) AS partition
    FROM cqrs.parked_keys
    WHERE parked_keys.subscription = shard.subscription
        AND slice BETWEEN shard.first_slice AND shard.last_slice
) AS parked
WHERE shard.subscription = $1
ORDER BY shard.first_slice
FOR UPDATE OF shard
