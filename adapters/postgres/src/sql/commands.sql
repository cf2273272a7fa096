-- The records of commands, each with whether all of the snapshot is durable.
SELECT
    commands.id, commands.fingerprint, commands.first, commands.count,
    head.durable OR cqrs.is_flushed() AS is_durable
FROM cqrs.commands AS commands, cqrs.head AS head
WHERE commands.id = ANY ($1::uuid[]) AND head.id = 1
