SELECT position, reason, time, key
FROM cqrs.skipped_events
WHERE subscription = $1
ORDER BY position, time, key COLLATE "C"
