INSERT INTO checkpoints (
    subscription, position, last_event, last_event_position, last_event_checkpoint
)
VALUES (?1, ?2, ?3, ?4, ?2)
ON CONFLICT (subscription) DO UPDATE SET
    position = excluded.position,
    last_event = excluded.last_event,
    last_event_position = excluded.last_event_position,
    last_event_checkpoint = excluded.last_event_checkpoint
