-- Forgets what a subscription has done. The rows stay: their epochs must not begin again.
UPDATE checkpoints
SET
    position = NULL, last_event = NULL, last_event_position = NULL, owner = NULL, epoch = epoch + 1,
    halt = NULL, halt_reason = NULL, halt_since = NULL, halt_position = NULL, ahead = NULL
WHERE subscription = ?1
