-- Halts a shard for the reason $4, $5, $6, $7. If the epoch $8 is given, it has to be in that, and not
-- halted. If no process that attends owns it, it loses its owner, and its epoch is raised. The shard of a
-- new subscription is inserted. Not by an upsert, which would insert a shard that is being replaced.
WITH halted AS (
    UPDATE cqrs.checkpoints AS shard
    SET
        halt = $4::text, halt_reason = $5::text, halt_since = $6::bigint, halt_position = $7::bigint,
        owner = (SELECT id FROM cqrs.live_workers WHERE id = shard.owner),
        epoch = shard.epoch + (
            NOT EXISTS (SELECT FROM cqrs.live_workers AS worker WHERE worker.id = shard.owner)
        )::int
    WHERE subscription = $1 AND first_slice = $2::smallint AND last_slice = $3::smallint
        AND ($8::bigint IS NULL OR (epoch = $8::bigint AND halt IS NULL))
    RETURNING 1
), inserted AS (
    INSERT INTO cqrs.checkpoints (
        subscription, first_slice, last_slice, epoch, halt, halt_reason, halt_since, halt_position
    )
    SELECT $1, $2::smallint, $3::smallint, 1, $4::text, $5::text, $6::bigint, $7::bigint
    WHERE $8::bigint IS NULL
        AND $2::smallint = 0 AND $3::smallint = 1023
        AND NOT EXISTS (SELECT FROM cqrs.checkpoints WHERE subscription = $1)
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT 1 FROM halted
UNION ALL
SELECT 1 FROM inserted
