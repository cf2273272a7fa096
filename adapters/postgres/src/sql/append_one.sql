-- As `append`, for one command with one event, which has one tag. Single values cost the server less
-- than arrays of one row.
WITH head AS (
    UPDATE cqrs.head
    SET position = $4, time = $5, last = $6, durable = current_setting('synchronous_commit') <> 'off'
    WHERE id = 1 AND position = $1 AND epoch = $2 AND last = $3
    RETURNING 1
), new_event AS (
    INSERT INTO cqrs.events (
        position, id, type, version, tags, time, actor, command, correlation, causation, payload
    )
    SELECT
        $4, $7::uuid, $8::text, $9::bigint, $10::text, $5, $11::text, $12::uuid, $13::uuid,
        $14::uuid, $15::bytea
    FROM head
), new_tag AS (
    INSERT INTO cqrs.event_tags (tag, position)
    SELECT $16::text, $4
    FROM head
), new_command AS (
    INSERT INTO cqrs.commands (id, fingerprint, first, count)
    SELECT $12, $17::bigint, $4, 1
    FROM head
)
SELECT count(*) FROM head
