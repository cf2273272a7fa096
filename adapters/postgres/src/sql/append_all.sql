-- As `append`, with rows for all other tables: further tags, the first occurrence of types in blocks of
-- positions, commands with given ids, and states. An insert costs time even without rows. A batch may have
-- no events, so this returns 1 if it was written, else 0.
WITH head AS (
    UPDATE cqrs.head
    SET position = $4, time = $5, last = $6, durable = current_setting('synchronous_commit') <> 'off'
    WHERE id = 1 AND position = $1 AND epoch = $2 AND last = $3
    RETURNING 1
), new_events AS (
    INSERT INTO cqrs.events (
        position, id, type, version, all_tags, time, actor, command, correlation, causation, payload,
        tag, fingerprint
    )
    SELECT new.*
    FROM unnest($7::cqrs.events[]) AS new, head
), new_tags AS (
    INSERT INTO cqrs.event_tags (tag, position)
    SELECT new.*
    FROM unnest($8::cqrs.event_tags[]) AS new, head
), new_blocks AS (
    INSERT INTO cqrs.type_blocks (type, block)
    SELECT new.*
    FROM unnest($9::cqrs.type_blocks[]) AS new, head
    ON CONFLICT DO NOTHING
), new_commands AS (
    INSERT INTO cqrs.commands (id, fingerprint, first, count, resent)
    SELECT new.*
    FROM unnest($10::cqrs.commands[]) AS new, head
), new_states AS (
    INSERT INTO cqrs.states (aggregate, id, body, position)
    SELECT new.*
    FROM unnest($11::cqrs.states[]) AS new, head
    ON CONFLICT (aggregate, id)
    DO UPDATE SET body = excluded.body, position = excluded.position
)
SELECT count(*) FROM head
