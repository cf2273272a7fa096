-- As `append`, for one command with one event, which has one tag. Single values cost the server less
-- than arrays of one row.
WITH head AS (
    UPDATE cqrs.head SET position = $3, time = $4
    WHERE id = 1 AND position = $1 AND epoch = $2
    RETURNING 1
), new_event AS (
    INSERT INTO cqrs.events (
        position, id, type, version, tags, time, actor, command, correlation, causation, payload
    )
    SELECT
        $3, $5::uuid, $6::text, $7::bigint, $8::text, $4, $9::text, $10::uuid, $11::uuid, $12::uuid,
        $13::bytea
    FROM head
), new_tag AS (
    INSERT INTO cqrs.event_tags (tag, position)
    SELECT $14::text, $3
    FROM head
), new_command AS (
    INSERT INTO cqrs.commands (id, fingerprint, first, count)
    SELECT $10, $15::bigint, $3, 1
    FROM head
)
SELECT count(*) FROM head
