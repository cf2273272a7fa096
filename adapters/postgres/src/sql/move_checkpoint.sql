UPDATE cqrs.checkpoints
SET position = $2, event = (SELECT id FROM cqrs.events WHERE position = $2), event_position = $2
WHERE subscription = $1 AND position = $3
