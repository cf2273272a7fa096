-- Writes a batch if the head is still at position $1 and epoch $2, against which it was decided, and
-- sets the head to position $3 and time $4. Otherwise writes nothing: every insert joins the updated
-- row. One statement, so the batch costs one round trip, and is written as a whole or not at all.
-- Returns 1 if the batch was written, else 0.
WITH head AS (
    UPDATE cqrs.head SET position = $3, time = $4
    WHERE id = 1 AND position = $1 AND epoch = $2
    RETURNING 1
), new_events AS (
    INSERT INTO cqrs.events (
        position, id, type, version, tags, time, actor, command, correlation, causation, payload
    )
    SELECT new.*
    FROM unnest(
        $5::bigint[], $6::uuid[], $7::text[], $8::bigint[], $9::text[], $10::bigint[],
        $11::text[], $12::uuid[], $13::uuid[], $14::uuid[], $15::bytea[]
    ) AS new, head
), new_tags AS (
    INSERT INTO cqrs.event_tags (tag, position)
    SELECT new.*
    FROM unnest($16::text[], $17::bigint[]) AS new, head
), new_commands AS (
    INSERT INTO cqrs.commands (id, fingerprint, first, count)
    SELECT new.*
    FROM unnest($18::uuid[], $19::bigint[], $20::bigint[], $21::bigint[]) AS new, head
-- states
), new_states AS (
    INSERT INTO cqrs.states (aggregate, id, body, position)
    SELECT new.*
    FROM unnest($22::text[], $23::text[], $24::bytea[], $25::bigint[]) AS new, head
    ON CONFLICT (aggregate, id)
    DO UPDATE SET body = excluded.body, position = excluded.position
-- states
)
SELECT count(*) FROM head
