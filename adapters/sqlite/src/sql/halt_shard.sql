-- Halts a shard. If the epoch ?8 is given, it has to be in that, and not halted.
INSERT INTO checkpoints (
    subscription, first_slice, last_slice, halt, halt_reason, halt_since, halt_position
)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE ?8 IS NULL OR EXISTS (
    SELECT 1 FROM checkpoints
    WHERE subscription = ?1 AND (first_slice, last_slice, epoch) = (?2, ?3, ?8) AND halt IS NULL
)
ON CONFLICT (subscription, first_slice) DO UPDATE SET
    halt = excluded.halt,
    halt_reason = excluded.halt_reason,
    halt_since = excluded.halt_since,
    halt_position = excluded.halt_position
WHERE last_slice = excluded.last_slice
