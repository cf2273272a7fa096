WITH released AS (UPDATE cqrs.checkpoints SET owner = NULL WHERE owner = $1)
DELETE FROM cqrs.workers WHERE id = $1
