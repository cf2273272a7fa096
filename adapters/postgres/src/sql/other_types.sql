-- The types of events other than $1, each with its number of events, counted up to $2. `type_blocks` is
-- read once per type, by its key, and events only in the blocks of those types.
WITH RECURSIVE types AS (
    SELECT (SELECT min(blocks.type) FROM cqrs.type_blocks AS blocks) AS type
    UNION ALL
    SELECT (SELECT min(blocks.type) FROM cqrs.type_blocks AS blocks WHERE blocks.type > types.type)
    FROM types
    WHERE types.type IS NOT NULL
)
SELECT types.type, counted.count
FROM types
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM (
        SELECT 1
        FROM cqrs.type_blocks AS blocks
        JOIN cqrs.events AS events
            ON events.position > blocks.block * 256 AND events.position <= blocks.block * 256 + 256
        WHERE blocks.type = types.type AND events.type = types.type
        LIMIT $2
    ) AS found
) AS counted
WHERE types.type IS NOT NULL AND types.type <> ALL ($1)
ORDER BY types.type
