-- Raises the epoch (?5) of a shard for the process ?4, unless its owner attends. The shard of a new
-- subscription is inserted.
INSERT INTO checkpoints (subscription, first_slice, last_slice, owner, epoch)
SELECT ?1, ?2, ?3, ?4, ?5 + 1
WHERE EXISTS (
    SELECT 1 FROM checkpoints WHERE (subscription, first_slice, last_slice) = (?1, ?2, ?3)
) OR (?5 = 0 AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE subscription = ?1))
ON CONFLICT (subscription, first_slice) DO UPDATE SET
    owner = excluded.owner,
    epoch = excluded.epoch
WHERE last_slice = excluded.last_slice
    AND epoch = excluded.epoch - 1
    AND halt IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM workers
        WHERE workers.id = checkpoints.owner AND workers.expires >= unixepoch('subsec')
    )
RETURNING epoch
