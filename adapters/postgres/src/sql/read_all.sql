-- Up to $3 events in ($1, $2], and the head in the same snapshot, as a row without an event type. The
-- row of the head has the id of the store in the column `command`, the id of the last event in the
-- column `correlation`, in the column `version` 1 if all of the snapshot is durable, else 0, and in the
-- column `actor` a text if there is custom metadata, else NULL.
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
    SELECT
        events.position, events.id, events.type, events.version, events.all_tags, events.time,
        events.actor, events.command, events.correlation, events.causation, events.payload,
        events.tag
    FROM cqrs.events AS events
    WHERE events.position > $1
        AND events.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
    ORDER BY events.position
    LIMIT $3
)
