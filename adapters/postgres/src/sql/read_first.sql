-- First pages of the events of several aggregates, without metadata, for folds: for each tag of $1,
-- the first $3 events after the position beside it in $2 with one of the types $4. NULL for any type.
-- `place` counts the tags from 1.
-- The head is a row without a type, in the same snapshot, with the id of the store and the id of the
-- last event. Its column `version` is 1 if all of the snapshot is durable, else 0.
SELECT
    head.position, NULL AS type, (head.durable OR cqrs.is_flushed())::int::bigint AS version,
    NULL AS payload, NULL AS place, head.store_id AS store,
    (SELECT last.id FROM cqrs.events AS last WHERE last.position = head.position) AS event
FROM cqrs.head AS head
WHERE head.id = 1
UNION ALL (
    SELECT
        found.position, found.type, found.version, found.payload, wanted.place,
        NULL AS store, NULL AS event
    FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS wanted (tag, after, place)
    CROSS JOIN LATERAL (
        SELECT tagged.*
        FROM (
            (
                SELECT
                    events.position + 0 AS position, events.type, NULLIF(events.version, 1) AS version,
                    events.payload
                FROM cqrs.events AS events
                WHERE events.tag = wanted.tag
                    AND events.position + 0 > wanted.after
                    AND ($4::text[] IS NULL OR events.type = ANY ($4::text[]))
                ORDER BY events.position + 0
                LIMIT $3
            )
            UNION ALL (
                SELECT
                    events.position, events.type, NULLIF(events.version, 1) AS version, events.payload
                FROM cqrs.event_tags AS further
                JOIN cqrs.events AS events ON events.position = further.position
                WHERE further.tag = wanted.tag
                    AND further.position > wanted.after
                    AND ($4::text[] IS NULL OR events.type = ANY ($4::text[]))
                ORDER BY further.position
                LIMIT $3
            )
        ) AS tagged
        ORDER BY tagged.position
        LIMIT $3
    ) AS found
)
