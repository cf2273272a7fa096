UPDATE cqrs.checkpoints
SET
    epoch = epoch + 1, halt = NULL, halt_reason = NULL, halt_since = NULL, halt_position = NULL
WHERE subscription = $1 AND first_slice = $2 AND last_slice = $3
    AND (coalesce(halt, '') = 'paused') = $4::boolean
RETURNING 1
