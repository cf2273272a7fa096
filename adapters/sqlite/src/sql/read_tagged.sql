-- CROSS JOIN fixes the order of the tables, so that the rows are in order without sorting.
SELECT
    e.position, e.id, e.type, e.version, e.tags, e.time, e.actor, e.command, e.correlation,
    e.causation, e.payload
FROM event_tags AS t
CROSS JOIN events AS e ON e.position = t.position
WHERE t.tag = ?3 AND t.position > ?1 AND t.position <= ?2
ORDER BY t.position
