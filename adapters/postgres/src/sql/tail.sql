SELECT position, type, tags
FROM cqrs.events
WHERE position > $1 AND position <= $2
ORDER BY position
