-- The shards of a subscription ($1), with their owners if these attend. The columns of `attend.sql`.
SELECT
    live.id, NULL, shard.epoch, shard.subscription, shard.first_slice, shard.last_slice,
    shard.position,
    CASE
        WHEN shard.last_event_checkpoint = shard.position
            OR shard.first_slice > 0 OR shard.last_slice < 1023
            THEN shard.last_event
    END,
    shard.last_event_position, shard.halt, shard.halt_reason, shard.halt_since, shard.halt_position,
    shard.ahead, shard.divided_by
FROM cqrs.checkpoints AS shard LEFT JOIN cqrs.live_workers AS live ON live.id = shard.owner
WHERE shard.subscription = $1
ORDER BY shard.first_slice
