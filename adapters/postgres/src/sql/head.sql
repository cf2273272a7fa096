SELECT position, time, epoch, store_id
FROM cqrs.head
WHERE id = 1
