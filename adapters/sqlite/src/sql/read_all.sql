SELECT
    position, id, type, version, all_tags, time, actor, command, correlation, causation, payload, tag,
    metadata
FROM events
WHERE position > ?1 AND position <= ?2
ORDER BY position
