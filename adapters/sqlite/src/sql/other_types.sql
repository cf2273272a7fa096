-- The types of events other than those in the JSON array ?1, each with its number of events, counted up
-- to ?2. `type_blocks` is read once per type, by its key, and events only in the blocks of those types.
WITH RECURSIVE types (type) AS (
    SELECT min(type) FROM type_blocks
    UNION ALL
    SELECT (SELECT min(b.type) FROM type_blocks AS b WHERE b.type > types.type)
    FROM types
    WHERE types.type IS NOT NULL
)
SELECT
    type,
    (
        SELECT count(*)
        FROM (
            SELECT 1
            FROM type_blocks AS b
            CROSS JOIN events AS e
                ON e.position > b.block * 256 AND e.position <= b.block * 256 + 256
            WHERE b.type = types.type AND e.type = types.type
            LIMIT ?2
        )
    )
FROM types
WHERE type IS NOT NULL AND type NOT IN (SELECT value FROM json_each(?1))
ORDER BY type
