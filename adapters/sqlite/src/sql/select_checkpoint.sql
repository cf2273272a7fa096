SELECT position, last_event, last_event_position
FROM checkpoints
WHERE subscription = ?1 AND first_slice = ?2 AND last_slice = ?3 AND position IS NOT NULL
