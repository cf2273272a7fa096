-- A process of an earlier version may have moved the checkpoint of a whole subscription without its
-- event.
SELECT
    position,
    CASE
        WHEN last_event_checkpoint = position OR first_slice > 0 OR last_slice < 1023
            THEN last_event
    END,
    last_event_position
FROM cqrs.checkpoints
WHERE subscription = $1 AND first_slice = $2 AND last_slice = $3 AND position IS NOT NULL
