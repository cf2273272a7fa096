SELECT position, reason, time, key FROM skipped_events WHERE subscription = ?1 ORDER BY position, time, key
