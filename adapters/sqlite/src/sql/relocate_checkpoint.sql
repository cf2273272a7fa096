-- Moves the checkpoint of a shard from ?4, and ends a halt other than a pause. Unless an event is skipped
-- (?8), nothing is ahead of the new one.
UPDATE checkpoints SET
    position = ?5,
    last_event = ?6,
    last_event_position = ?7,
    epoch = epoch + 1,
    halt = iif(halt = 'paused', halt, NULL),
    halt_reason = iif(halt = 'paused', halt_reason, NULL),
    halt_since = iif(halt = 'paused', halt_since, NULL),
    halt_position = NULL,
    ahead = iif(?8, ahead, NULL)
WHERE subscription = ?1 AND first_slice = ?2 AND last_slice = ?3 AND position IS ?4
