-- As `read_all`, limited to events that match any item. $4: the items with tags, as JSON objects of
-- one tag, the other tags, and the types. $5: the types of the items without tags.
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
    SELECT DISTINCT ON (matching.position) matching.*
    FROM (
        SELECT found.*
        FROM jsonb_to_recordset($4::text::jsonb) AS item (tag text, others text[], types text[])
        CROSS JOIN LATERAL (
            SELECT
                events.position, events.id, events.type, events.version, events.all_tags, events.time,
                events.actor, events.command, events.correlation, events.causation, events.payload,
                events.tag
            FROM (
                SELECT first.position + 0 AS position
                FROM cqrs.events AS first
                WHERE first.tag = item.tag
                    AND first.position + 0 > $1
                    AND first.position + 0 <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
                UNION ALL
                SELECT further.position
                FROM cqrs.event_tags AS further
                WHERE further.tag = item.tag
                    AND further.position > $1
                    AND further.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
            ) AS tagged
            JOIN cqrs.events AS events ON events.position = tagged.position
            WHERE (item.types IS NULL OR events.type = ANY (item.types))
                AND NOT EXISTS (
                    SELECT 1
                    FROM unnest(item.others) AS other (tag)
                    WHERE events.tag IS DISTINCT FROM other.tag
                        AND NOT EXISTS (
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
            SELECT typed.*
            FROM cqrs.type_blocks AS block
            CROSS JOIN LATERAL (
                SELECT
                    events.position, events.id, events.type, events.version, events.all_tags, events.time,
                    events.actor, events.command, events.correlation, events.causation, events.payload,
                    events.tag
                FROM cqrs.events AS events
                WHERE events.type = wanted.type
                    AND events.position > GREATEST(block.block * 256, $1)
                    AND events.position <= LEAST(
                        block.block * 256 + 256, (SELECT position FROM cqrs.head WHERE id = 1), $2
                    )
            ) AS typed
            WHERE block.type = wanted.type
                AND block.block >= $1 / 256
                AND block.block <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2) / 256
            ORDER BY block.block, typed.position
            LIMIT $3
        ) AS found
    ) AS matching
    ORDER BY matching.position
    LIMIT $3
)
