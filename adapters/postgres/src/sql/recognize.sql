-- The head, the id of the event at position $1, and the id of the last event.
SELECT
    head.position, head.time, head.epoch, head.store_id,
    (SELECT known.id FROM cqrs.events AS known WHERE known.position = $1),
    (SELECT last.id FROM cqrs.events AS last WHERE last.position = head.position)
FROM cqrs.head AS head
WHERE head.id = 1
