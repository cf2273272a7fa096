-- As `read_to_fold`, of the type $4 only, which the rows do not repeat.
SELECT head.position, NULL AS version, NULL AS payload
FROM cqrs.head AS head
WHERE head.id = 1
UNION ALL (
    SELECT found.*
    FROM (
        (
            SELECT
                events.position + 0 AS position, NULLIF(events.version, 1) AS version, events.payload
            FROM cqrs.events AS events
            WHERE events.tag = $3
                AND events.position + 0 > $1
                AND events.type = $4
            ORDER BY events.position + 0
            LIMIT $2
        )
        UNION ALL (
            SELECT events.position, NULLIF(events.version, 1) AS version, events.payload
            FROM cqrs.event_tags AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE tagged.tag = $3
                AND tagged.position > $1
                AND events.type = $4
            ORDER BY tagged.position
            LIMIT $2
        )
    ) AS found
    ORDER BY found.position
    LIMIT $2
)
