-- Halts a shard. If the epoch ?8 is given, it has to be in that, and not halted. The shard of a new
-- subscription is inserted.
INSERT INTO checkpoints (
    subscription, first_slice, last_slice, halt, halt_reason, halt_since, halt_position
)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE EXISTS (
    SELECT 1 FROM checkpoints
    WHERE (subscription, first_slice, last_slice) = (?1, ?2, ?3)
        AND (?8 IS NULL OR (epoch = ?8 AND halt IS NULL))
) OR (?8 IS NULL AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE subscription = ?1))
ON CONFLICT (subscription, first_slice) DO UPDATE SET
    halt = excluded.halt,
    halt_reason = excluded.halt_reason,
    halt_since = excluded.halt_since,
    halt_position = excluded.halt_position
