SELECT time
FROM events
WHERE position = ?1
