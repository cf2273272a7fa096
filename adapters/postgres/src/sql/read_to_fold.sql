-- Events without metadata, for folds: up to $3 events in ($1, $2] with the tag $4 and one of the types $5.
-- NULL for any type. The head is a row without a payload. No event is behind it, being in the same snapshot.
--
-- Most versions are 1, and sent as NULL, which has no bytes.
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
            WHERE events.tag = $4
                AND events.position + 0 > $1
                AND events.position + 0 <= $2
                AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
            ORDER BY events.position + 0
            LIMIT $3
        )
        UNION ALL (
            SELECT
                events.position, NULLIF(events.version, 1) AS version, events.payload, events.type
            FROM cqrs.event_tags AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE tagged.tag = $4
                AND tagged.position > $1
                AND tagged.position <= $2
                AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
            ORDER BY tagged.position
            LIMIT $3
        )
    ) AS found
    ORDER BY found.position
    LIMIT $3
)
