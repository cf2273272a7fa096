SELECT time
FROM cqrs.events
WHERE position = $1
