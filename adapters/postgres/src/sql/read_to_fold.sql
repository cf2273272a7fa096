-- Events without metadata, for folds: of the first $3 events in ($1, $2] with the tag $4, those with
-- one of the types $5. NULL for any type. $6 and $7 are texts by which the tag is found in the column
-- `tags`: at its beginning, or after another tag.
-- The head is a row without an event type. Its column `version` has the position of the last of the
-- $3 events, or NULL if there are fewer.
WITH page AS MATERIALIZED (
    SELECT min(position) AS first, max(position) AS last, count(*) AS count
    FROM (
        SELECT tagged.position
        FROM cqrs.event_tags AS tagged
        WHERE tagged.tag = $4
            AND tagged.position > $1
            AND tagged.position <= LEAST((SELECT position FROM cqrs.head WHERE id = 1), $2)
        ORDER BY tagged.position
        LIMIT $3
    ) AS tagged
)
SELECT
    head.position, NULL AS type, CASE WHEN page.count = $3 THEN page.last END AS version,
    NULL AS payload
FROM cqrs.head AS head, page
WHERE head.id = 1
UNION ALL (
    -- Events that are close together are read faster as a range than one by one through the index.
    SELECT events.position, events.type, events.version, events.payload
    FROM cqrs.events AS events
    WHERE (SELECT last - first < 3 * count FROM page)
        AND events.position >= (SELECT first FROM page)
        AND events.position <= (SELECT last FROM page)
        AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
        AND (starts_with(events.tags, $6) OR strpos(events.tags, $7) > 0)
    ORDER BY events.position
)
UNION ALL (
    SELECT events.position, events.type, events.version, events.payload
    FROM cqrs.event_tags AS tagged
    JOIN cqrs.events AS events ON events.position = tagged.position
    WHERE (SELECT last - first >= 3 * count FROM page)
        AND tagged.tag = $4
        AND tagged.position > $1
        AND tagged.position <= (SELECT last FROM page)
        AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
    ORDER BY tagged.position
)
