-- What a fold needs of the events with the tag $4 and any of the types $5, out of the first $3 with
-- the tag in ($1, $2]. $6 and $7: the tag in `tags` if it is the first there, and if it is another.
-- Before them the head, as a row without a type; as its version, the position of the last of the
-- $3, or nothing when there are fewer.
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
    -- Events that are close together are found faster without a look into the index for each.
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
