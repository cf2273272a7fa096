SELECT position
FROM states
WHERE aggregate = ?1 AND id = ?2
