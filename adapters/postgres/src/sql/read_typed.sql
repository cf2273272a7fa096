-- As `read_all`, limited to events of the types $4.
--
-- Blocks in which none of the types occurs are skipped, so that rare types are read fast. The rows are
-- not sorted: the sessions plan a nested loop over the blocks, which come in order, and so do the events of
-- each. Every block but the first has an event of the page, so that a page needs at most one more of them.
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
        SELECT DISTINCT typed.block
        FROM unnest($4::text[]) AS wanted (type)
        CROSS JOIN LATERAL (
            SELECT blocks.block
            FROM cqrs.type_blocks AS blocks
            WHERE blocks.type = wanted.type
                AND blocks.block >= $1::bigint / 256
                AND blocks.block <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2::bigint) / 256
            ORDER BY blocks.block
            LIMIT $3::bigint + 1
        ) AS typed
        ORDER BY typed.block
        LIMIT $3::bigint + 1
    ) AS block
    CROSS JOIN LATERAL (
        SELECT
            events.position, events.id, events.type, events.version, events.all_tags, events.time,
            events.actor, events.command, events.correlation, events.causation, events.payload,
            events.tag
        FROM cqrs.events AS events
        WHERE events.type = ANY ($4::text[])
            AND events.position > GREATEST(block.block * 256, $1)
            AND events.position <= LEAST(
                block.block * 256 + 256, (SELECT position FROM cqrs.head WHERE id = 1), $2
            )
        ORDER BY events.position
        LIMIT $3
    ) AS found
    LIMIT $3
)
