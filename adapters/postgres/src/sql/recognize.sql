-- The head, the id of the event at position $1, the id of the last event, and whether all of the
-- snapshot is durable.
SELECT
    head.position, head.time, head.epoch, head.store_id, head.last,
    (SELECT known.id FROM cqrs.events AS known WHERE known.position = $1),
    (SELECT newest.id FROM cqrs.events AS newest WHERE newest.position = head.position),
    head.durable OR cqrs.is_flushed() AS is_durable
FROM cqrs.head AS head
WHERE head.id = 1
