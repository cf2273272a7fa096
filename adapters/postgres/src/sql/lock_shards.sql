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
    shard.ahead, shard.divided_by
FROM cqrs.checkpoints AS shard
WHERE shard.subscription = $1
ORDER BY shard.first_slice
FOR UPDATE
