-- Events that have this tag besides their first one, or were written by an earlier version. CROSS JOIN
-- fixes the order of the tables, so that the rows are in order without sorting.
SELECT
    e.position, e.id, e.type, e.version, e.all_tags, e.time, e.actor, e.command, e.correlation,
    e.causation, e.payload, e.tag, e.metadata
FROM event_tags AS t
CROSS JOIN events AS e ON e.position = t.position
WHERE t.tag = ?3 AND t.position > ?1 AND t.position <= ?2
ORDER BY t.position
