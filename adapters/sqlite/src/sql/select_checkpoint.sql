SELECT position
FROM checkpoints
WHERE subscription = ?1
