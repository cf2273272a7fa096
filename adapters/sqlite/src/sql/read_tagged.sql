-- Events whose first tag this is.
SELECT
    position, id, type, version, all_tags, time, actor, command, correlation, causation, payload, tag,
    metadata
FROM events INDEXED BY events_by_tag
WHERE tag = ?3 AND position > ?1 AND position <= ?2
ORDER BY position
