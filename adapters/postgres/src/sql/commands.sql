-- The records of the commands $1, and of the commands $2, whose ids a dispatcher may have assigned, each
-- with whether all of the snapshot is durable.
SELECT
    commands.id, commands.fingerprint, commands.first, commands.count,
    head.durable OR cqrs.is_flushed() AS is_durable
FROM cqrs.commands AS commands, cqrs.head AS head
WHERE commands.id = ANY ($1::uuid[]) AND head.id = 1
UNION ALL
SELECT
    wanted.id, found.fingerprint, found.first, found.count,
    head.durable OR cqrs.is_flushed() AS is_durable
FROM unnest($2::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT
        min(events.fingerprint) AS fingerprint, min(events.position) AS first, count(*) AS count
    FROM cqrs.events AS events
    WHERE events.fingerprint IS NOT NULL AND events.command = wanted.id
    HAVING count(*) > 0
) AS found, cqrs.head AS head
WHERE head.id = 1
