-- Raises the epoch of a halted shard, unless its owner attends.
UPDATE checkpoints SET owner = NULL, epoch = epoch + 1
WHERE subscription = ?1 AND first_slice = ?2 AND last_slice = ?3
    AND halt IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM workers
        WHERE workers.id = checkpoints.owner AND workers.expires >= unixepoch('subsec')
    )
