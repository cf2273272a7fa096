-- As `append`, for one event. Single values cost the server less than an array of one row.
WITH head AS (
    UPDATE cqrs.head
    SET position = $4, time = $5, last = $6, durable = current_setting('synchronous_commit') <> 'off'
    WHERE id = 1 AND position = $1 AND epoch = $2 AND last = $3
    RETURNING 1
)
INSERT INTO cqrs.events (
    position, id, type, version, all_tags, time, actor, command, correlation, causation, payload,
    tag, fingerprint
)
SELECT
    $4, $7::uuid, $8::text, $9::bigint, $10::text, $5, $11::text, $12::uuid, $13::uuid,
    $14::uuid, $15::bytea, $16::text, $17::bigint
FROM head
