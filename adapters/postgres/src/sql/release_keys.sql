-- Releases the parked key $2 of a subscription ($1), or all if that is NULL, and raises the epochs of their
-- shards. Skips the event $3, for the reason $4 at $5 and the key $6, unless that is NULL: it has to be the
-- first one.
WITH released AS (
    UPDATE cqrs.parked_keys
    SET released = true, position = coalesce($3::bigint + 1, position)
    WHERE subscription = $1
        AND ($2::text IS NULL OR key = $2::text)
        AND ($3::bigint IS NULL OR position = $3::bigint)
    RETURNING slice
), fenced AS (
    UPDATE cqrs.checkpoints AS shard
    SET epoch = epoch + 1
    WHERE subscription = $1
        AND EXISTS (SELECT FROM released WHERE slice BETWEEN shard.first_slice AND shard.last_slice)
), recorded AS (
    INSERT INTO cqrs.skipped_events (subscription, position, reason, time, key)
    SELECT $1, $3::bigint, $4::text, $5::bigint, $6::text
    WHERE $3::bigint IS NOT NULL AND EXISTS (SELECT FROM released)
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM released
