-- Writes the events of a batch if the head is still the one against which it was decided, at position $1
-- and epoch $2, set by the append $3. Sets the head to position $4 and time $5, as the append $6.
-- Otherwise writes nothing: every insert joins the updated row. One statement, so the batch costs one
-- round trip, and is written as a whole or not at all. Inserts all events, or none.
--
-- One array of rows per table: an array per column would cost the server a scan for each column, which
-- for a small batch is more than the inserts. Such rows have the columns in the order of the table.
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
SELECT new.*
FROM unnest($7::cqrs.events[]) AS new, head
