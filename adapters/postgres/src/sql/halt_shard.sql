-- Halts a shard for the reason $4, $5, $6, $7. If the epoch $8 is given, it has to be in that, and not
-- halted. If no process that attends owns it, it loses its owner, and its epoch is raised. A shard that is not there is inserted.
INSERT INTO cqrs.checkpoints AS shard (
    subscription, first_slice, last_slice, epoch, halt, halt_reason, halt_since, halt_position
)
SELECT $1, $2::smallint, $3::smallint, 1, $4::text, $5::text, $6::bigint, $7::bigint
WHERE $8::bigint IS NULL OR EXISTS (SELECT FROM cqrs.checkpoints WHERE subscription = $1)
ON CONFLICT (subscription, first_slice) DO UPDATE
SET
    halt = excluded.halt, halt_reason = excluded.halt_reason, halt_since = excluded.halt_since,
    halt_position = excluded.halt_position,
    owner = (SELECT id FROM cqrs.live_workers WHERE id = shard.owner),
    epoch = shard.epoch + (
        NOT EXISTS (SELECT FROM cqrs.live_workers AS worker WHERE worker.id = shard.owner)
    )::int
WHERE shard.last_slice = excluded.last_slice
    AND ($8::bigint IS NULL OR (shard.epoch = $8::bigint AND shard.halt IS NULL))
RETURNING 1
