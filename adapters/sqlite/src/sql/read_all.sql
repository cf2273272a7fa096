SELECT position, id, type, version, tags, time, actor, command, correlation, causation, payload
FROM events
WHERE position > ?1 AND position <= ?2
ORDER BY position
