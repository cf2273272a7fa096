SELECT position, id, type, version, tags, time, actor, command, correlation, causation, payload
FROM events INDEXED BY events_by_type
WHERE type = ?3 AND position > ?1 AND position <= ?2
ORDER BY position
