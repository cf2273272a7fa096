-- The parked keys of a subscription (?1) in the slices from ?2 to ?3.
SELECT partition, key, position, cause, since, released
FROM parked_keys
WHERE subscription = ?1 AND slice BETWEEN ?2 AND ?3
ORDER BY position, key
