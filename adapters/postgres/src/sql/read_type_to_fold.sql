-- As `read_to_fold`, of the type $5 only, which the rows do not repeat.
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
            WHERE events.tag = $4
                AND events.position + 0 > $1
                AND events.position + 0 <= $2
                AND events.type = $5
            ORDER BY events.position + 0
            LIMIT $3
        )
        UNION ALL (
            SELECT events.position, NULLIF(events.version, 1) AS version, events.payload
            FROM cqrs.event_tags AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE tagged.tag = $4
                AND tagged.position > $1
                AND tagged.position <= $2
                AND events.type = $5
            ORDER BY tagged.position
            LIMIT $3
        )
    ) AS found
    ORDER BY found.position
    LIMIT $3
)
