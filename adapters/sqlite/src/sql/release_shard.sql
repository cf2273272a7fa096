UPDATE checkpoints SET owner = NULL
WHERE owner = ?1 AND subscription = ?2 AND first_slice = ?3
