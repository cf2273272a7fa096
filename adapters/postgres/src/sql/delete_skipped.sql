DELETE FROM cqrs.skipped_events WHERE subscription = $1
