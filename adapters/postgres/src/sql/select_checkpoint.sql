-- With the head, and whether the event at the checkpoint is the one that was there when it was
-- written. Nobody knows if the checkpoint was last moved by a program of a version that did not
-- record the event.
SELECT checkpoints.position, head.position,
    events.id IS NOT DISTINCT FROM checkpoints.event
        OR checkpoints.event IS NULL
        OR checkpoints.event_position IS DISTINCT FROM checkpoints.position
FROM cqrs.checkpoints AS checkpoints
CROSS JOIN cqrs.head AS head
LEFT JOIN cqrs.events AS events ON events.position = checkpoints.position
WHERE checkpoints.subscription = $1 AND head.id = 1
