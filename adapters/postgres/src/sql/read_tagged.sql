-- As `read_all`, limited to events with the tag $4 and one of the types $5. NULL for any type.
SELECT
    head.position, NULL AS id, NULL AS type,
    (head.durable OR cqrs.is_flushed())::int::bigint AS version, NULL AS tags, NULL AS time,
    NULL AS actor, head.store_id AS command,
    (SELECT last.id FROM cqrs.events AS last WHERE last.position = head.position) AS correlation,
    NULL AS causation, NULL AS payload
FROM cqrs.head AS head
WHERE head.id = 1
UNION ALL (
    SELECT events.*
    FROM cqrs.event_tags AS tagged
    JOIN cqrs.events AS events ON events.position = tagged.position
    WHERE tagged.tag = $4
        AND tagged.position > $1
        AND tagged.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
        AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
    ORDER BY tagged.position
    LIMIT $3
)
