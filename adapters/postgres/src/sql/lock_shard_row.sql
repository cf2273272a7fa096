-- Keeps others from committing for a shard until the transaction ends.
SELECT FROM cqrs.checkpoints
WHERE subscription = $1 AND first_slice = $2 AND last_slice = $3
FOR UPDATE
