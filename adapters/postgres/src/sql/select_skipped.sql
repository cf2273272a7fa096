SELECT position, reason, time
FROM cqrs.skipped_events
WHERE subscription = $1
ORDER BY position, time
