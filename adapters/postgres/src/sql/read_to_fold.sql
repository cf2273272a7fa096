-- Events without metadata, for folds: up to $2 events after $1 with the tag $3 and one of the types $4. NULL
-- for any type. The head is a row without a payload.
--
-- The client leaves out events after the end of its range. Here, the index scan would compare each entry
-- with it. Most versions are 1, and sent as NULL, which has no bytes. Together, that is a ninth of what a
-- page costs the server.
SELECT head.position, NULL AS version, NULL AS payload, NULL AS type
FROM cqrs.head AS head
WHERE head.id = 1
UNION ALL (
    SELECT found.*
    FROM (
        (
            SELECT
                events.position + 0 AS position, NULLIF(events.version, 1) AS version, events.payload,
                events.type
            FROM cqrs.events AS events
            WHERE events.tag = $3
                AND events.position + 0 > $1
                AND ($4::text[] IS NULL OR events.type = ANY ($4::text[]))
            ORDER BY events.position + 0
            LIMIT $2
        )
        UNION ALL (
            SELECT
                events.position, NULLIF(events.version, 1) AS version, events.payload, events.type
            FROM cqrs.event_tags AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE tagged.tag = $3
                AND tagged.position > $1
                AND ($4::text[] IS NULL OR events.type = ANY ($4::text[]))
            ORDER BY tagged.position
            LIMIT $2
        )
    ) AS found
    ORDER BY found.position
    LIMIT $2
)
