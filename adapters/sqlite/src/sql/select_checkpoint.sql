SELECT
    position,
    CASE WHEN last_event_checkpoint = position THEN last_event END,
    last_event_position
FROM checkpoints
WHERE subscription = ?1
