-- Raises the epochs of the shards with slices in the JSON array ?2.
UPDATE checkpoints SET epoch = epoch + 1
WHERE subscription = ?1
    AND EXISTS (
        SELECT 1 FROM json_each(?2) AS slice WHERE slice.value BETWEEN first_slice AND last_slice
    )
