SELECT epoch FROM checkpoints
WHERE subscription = ?1 AND first_slice = ?2 AND last_slice = ?3
