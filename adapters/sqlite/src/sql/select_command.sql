SELECT fingerprint, first, count
FROM commands
WHERE id = ?1
