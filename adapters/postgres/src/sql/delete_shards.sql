DELETE FROM cqrs.checkpoints WHERE subscription = $1
