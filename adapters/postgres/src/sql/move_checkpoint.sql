UPDATE cqrs.checkpoints
SET position = $2, last_event = $3, last_event_position = $4, last_event_checkpoint = $2
WHERE subscription = $1 AND position = $5
RETURNING 1
