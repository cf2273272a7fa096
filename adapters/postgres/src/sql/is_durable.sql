-- Whether all that the snapshot of this transaction shows is durable.
SELECT head.durable OR cqrs.is_flushed()
FROM cqrs.head AS head
WHERE head.id = 1
