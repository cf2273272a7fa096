-- The append of version 1, of one event with one tag after the head $1, at position $2.
WITH head AS (
    UPDATE cqrs.head SET position = $2, time = time
    WHERE id = 1 AND position = $1
    RETURNING 1
), new_events AS (
    INSERT INTO cqrs.events (
        position, id, type, version, tags, time, actor, command, correlation, causation, payload
    )
    SELECT
        $2, gen_random_uuid(), 'late', 1, '["book:1"]', 0, NULL, gen_random_uuid(), gen_random_uuid(),
        gen_random_uuid(), ''
    FROM head
), new_tags AS (
    INSERT INTO cqrs.event_tags (tag, position)
    SELECT 'book:1', $2
    FROM head
), new_commands AS (
    INSERT INTO cqrs.commands (id, fingerprint, first, count)
    SELECT gen_random_uuid(), 0, $2, 1
    FROM head
)
SELECT count(*) FROM head
