DELETE FROM checkpoints WHERE subscription = ?1
