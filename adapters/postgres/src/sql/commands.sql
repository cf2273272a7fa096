SELECT id, fingerprint, first, count
FROM cqrs.commands
WHERE id = ANY ($1::uuid[])
