-- Unless the shard has another epoch, or other slices.
INSERT INTO checkpoints (
    subscription, first_slice, last_slice, epoch, position, last_event, last_event_position
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (subscription, first_slice) DO UPDATE SET
    position = excluded.position,
    last_event = excluded.last_event,
    last_event_position = excluded.last_event_position
WHERE epoch = excluded.epoch AND last_slice = excluded.last_slice
