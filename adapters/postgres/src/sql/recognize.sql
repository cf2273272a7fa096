-- The head, the id of the event at position $1, and the id of the last event.
SELECT
    head.position, head.time, head.epoch, head.store_id, head.last,
    (SELECT known.id FROM cqrs.events AS known WHERE known.position = $1),
    (SELECT newest.id FROM cqrs.events AS newest WHERE newest.position = head.position)
FROM cqrs.head AS head
WHERE head.id = 1
