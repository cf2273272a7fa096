-- As `read_all`, limited to events that match any item. $4: the items with tags, as JSON objects of
-- one tag, the other tags, and the types. $5: the types of the items without tags.
SELECT
    head.position, NULL AS id, NULL AS type,
    (head.durable OR cqrs.is_flushed())::int::bigint AS version, NULL AS tags, NULL AS time,
    NULL AS actor, head.store_id AS command,
    (SELECT last.id FROM cqrs.events AS last WHERE last.position = head.position) AS correlation,
    NULL AS causation, NULL AS payload
FROM cqrs.head AS head
WHERE head.id = 1
UNION ALL (
    SELECT DISTINCT ON (matching.position) matching.*
    FROM (
        SELECT found.*
        FROM jsonb_to_recordset($4::text::jsonb) AS item (tag text, others text[], types text[])
        CROSS JOIN LATERAL (
            SELECT events.*
            FROM cqrs.event_tags AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE tagged.tag = item.tag
                AND tagged.position > $1
                AND tagged.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
                AND (item.types IS NULL OR events.type = ANY (item.types))
                AND NOT EXISTS (
                    SELECT 1
                    FROM unnest(item.others) AS other (tag)
                    WHERE NOT EXISTS (
                        SELECT 1
                        FROM cqrs.event_tags AS beside
                        WHERE beside.tag = other.tag AND beside.position = tagged.position
                    )
                )
            ORDER BY tagged.position
            LIMIT $3
        ) AS found
        UNION ALL
        SELECT found.*
        FROM unnest($5::text[]) AS wanted (type)
        CROSS JOIN LATERAL (
            SELECT events.*
            FROM cqrs.events AS events
            WHERE events.type = wanted.type
                AND events.position > $1
                AND events.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
            ORDER BY events.position
            LIMIT $3
        ) AS found
    ) AS matching
    ORDER BY matching.position
    LIMIT $3
)
