-- As read_all, with the tag $4 and any of the types $5.
SELECT head.position AS head, e.*
FROM cqrs.head AS head
LEFT JOIN LATERAL (
    SELECT events.*
    FROM cqrs.event_tags AS tagged
    JOIN cqrs.events AS events ON events.position = tagged.position
    WHERE tagged.tag = $4
        AND tagged.position > $1
        AND tagged.position <= LEAST(head.position, $2)
        AND ($5::text[] IS NULL OR events.type = ANY ($5::text[]))
    ORDER BY tagged.position
    LIMIT $3
) AS e ON true
ORDER BY e.position
