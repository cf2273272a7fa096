SELECT position
FROM cqrs.head
WHERE id = 1
FOR UPDATE
