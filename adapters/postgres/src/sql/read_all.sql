-- The head with each event in ($1, $2], and with none if there is none.
SELECT head.position AS head, e.*
FROM cqrs.head AS head
LEFT JOIN LATERAL (
    SELECT events.*
    FROM cqrs.events AS events
    WHERE events.position > $1 AND events.position <= LEAST(head.position, $2)
    ORDER BY events.position
    LIMIT $3
) AS e ON true
ORDER BY e.position
