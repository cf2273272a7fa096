-- Makes a process (?1) the owner of all shards of a subscription (?2) that are not halted, and raises their epochs.
UPDATE checkpoints SET owner = ?1, epoch = epoch + 1 WHERE subscription = ?2 AND halt IS NULL
