-- Makes a process ($1) the owner of all shards of a subscription ($2) that are not halted, and raises their epochs.
-- Returns a row for each.
WITH seized AS (
    SELECT subscription, first_slice
    FROM cqrs.checkpoints
    WHERE subscription = $2 AND halt IS NULL
    -- In the same order as in a division, so that none waits for the other.
    ORDER BY first_slice
    FOR UPDATE
)
UPDATE cqrs.checkpoints AS shard SET owner = $1, epoch = shard.epoch + 1
FROM seized
WHERE shard.subscription = seized.subscription AND shard.first_slice = seized.first_slice
RETURNING 1
