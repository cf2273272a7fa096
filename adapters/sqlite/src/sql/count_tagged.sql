-- Number of events with a tag, counted up to ?4 for each place that a tag can have.
SELECT (
    SELECT count(*)
    FROM (
        SELECT 1
        FROM events INDEXED BY events_by_tag
        WHERE tag = ?3 AND position > ?1 AND position <= ?2
        LIMIT ?4
    )
) + (
    SELECT count(*)
    FROM (
        SELECT 1
        FROM event_tags
        WHERE tag = ?3 AND position > ?1 AND position <= ?2
        LIMIT ?4
    )
)
