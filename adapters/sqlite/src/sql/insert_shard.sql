-- The shard of a new subscription.
INSERT INTO checkpoints (subscription, first_slice, last_slice)
SELECT ?1, ?2, ?3
WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE subscription = ?1)
