-- As `read_all`, limited to events with the tag $4 and one of the types $5. NULL for any type. The tag is
-- the first one of an event, or in `event_tags`, and all plans return both in the order of positions.
-- The part between the marks is repeated for each further tag, with the parameters $6 and $7, and so on.
SELECT
    head.position, NULL AS id, NULL AS type,
    (head.durable OR cqrs.is_flushed())::int::bigint AS version, NULL AS all_tags, NULL AS time,
    CASE WHEN EXISTS (SELECT 1 FROM cqrs.command_metadata) THEN '' END AS actor,
    head.store_id AS command,
    (SELECT last.id FROM cqrs.events AS last WHERE last.position = head.position) AS correlation,
    NULL AS causation, NULL AS payload, NULL AS tag
FROM cqrs.head AS head
WHERE head.id = 1
UNION ALL (
    SELECT found.*
    FROM (
        -- tag
        (
            SELECT
                events.position + 0 AS position, events.id, events.type, events.version,
                events.all_tags, events.time, events.actor, events.command, events.correlation,
                events.causation, events.payload, events.tag
            FROM cqrs.events AS events
            WHERE events.tag = $4
                AND events.position + 0 > $1
                AND events.position + 0 <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
                AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
            ORDER BY events.position + 0
            LIMIT $3
        )
        UNION ALL (
            SELECT
                events.position, events.id, events.type, events.version,
                events.all_tags, events.time, events.actor, events.command, events.correlation,
                events.causation, events.payload, events.tag
            FROM cqrs.event_tags AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE tagged.tag = $4
                AND tagged.position > $1
                AND tagged.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
                AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
            ORDER BY tagged.position
            LIMIT $3
        )
        -- tag
    ) AS found
    ORDER BY found.position
    LIMIT $3
)
