-- Raises the epochs of shards for the process $1: subscriptions ($2), first ($3) and last slices ($4),
-- and the epochs that were seen ($5). Not that of a shard whose owner attends, or is committing, or that is halted.
-- Returns the places of the claimed ones, and their new epochs.
WITH wanted AS (
    SELECT *
    FROM unnest($2::text[], $3::smallint[], $4::smallint[], $5::bigint[]) WITH ORDINALITY
        AS wanted (subscription, first_slice, last_slice, epoch, place)
), free AS (
    SELECT subscription, first_slice, wanted.place
    FROM cqrs.checkpoints AS shard JOIN wanted USING (subscription, first_slice, last_slice, epoch)
    WHERE halt IS NULL
        AND NOT EXISTS (SELECT FROM cqrs.live_workers AS worker WHERE worker.id = shard.owner)
    FOR UPDATE OF shard SKIP LOCKED
), claimed AS (
    UPDATE cqrs.checkpoints AS shard SET owner = $1, epoch = shard.epoch + 1
    FROM free
    WHERE shard.subscription = free.subscription AND shard.first_slice = free.first_slice
    RETURNING free.place, shard.epoch
), inserted AS (
    INSERT INTO cqrs.checkpoints (subscription, first_slice, last_slice, owner, epoch)
    SELECT subscription, first_slice, last_slice, $1, 1
    FROM wanted
    -- Any other shard would find its place beside those that another process is storing.
    WHERE epoch = 0 AND first_slice = 0 AND last_slice = 1023 AND NOT EXISTS (
        SELECT FROM cqrs.checkpoints AS shard WHERE shard.subscription = wanted.subscription
    )
    -- In the same order in all processes, so that none waits for the other.
    ORDER BY subscription, first_slice
    ON CONFLICT DO NOTHING
    RETURNING subscription, first_slice, epoch
)
SELECT place, epoch FROM claimed
UNION ALL
SELECT wanted.place, inserted.epoch FROM inserted JOIN wanted USING (subscription, first_slice)
