-- Whether all that the snapshot of this transaction shows is durable, and the id of the last append in it.
SELECT head.durable OR cqrs.is_flushed(), head.last
FROM cqrs.head AS head
WHERE head.id = 1
