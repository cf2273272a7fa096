-- NULL if the subscription has other shards, 0 if it has none.
SELECT iif(
    EXISTS (SELECT 1 FROM checkpoints WHERE subscription = ?1),
    (
        SELECT epoch FROM checkpoints
        WHERE subscription = ?1 AND first_slice = ?2 AND last_slice = ?3
    ),
    0
)
