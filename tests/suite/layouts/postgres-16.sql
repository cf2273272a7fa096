-- What a program of version 16, the last one without custom metadata, has prepared before a migration: its read of
-- the log after $1, and its append of rows with all columns of the table, whatever the head.
PREPARE old_read (bigint) AS
SELECT
    events.position, events.id, events.type, events.version, events.all_tags, events.time,
    events.actor, events.command, events.correlation, events.causation, events.payload,
    events.tag
FROM cqrs.events AS events
WHERE events.position > $1
    AND events.position <= (SELECT position FROM cqrs.head WHERE id = 1)
ORDER BY events.position;

PREPARE old_append (cqrs.events[]) AS
WITH head AS (
    UPDATE cqrs.head
    SET position = position + cardinality($1), last = gen_random_uuid(), durable = true
    WHERE id = 1
    RETURNING 1
), new_events AS (
    INSERT INTO cqrs.events (
        position, id, type, version, all_tags, time, actor, command, correlation, causation, payload,
        tag, fingerprint
    )
    SELECT new.*
    FROM unnest($1::cqrs.events[]) AS new, head
)
SELECT count(*) FROM head;
