SELECT position, reason, time FROM skipped_events WHERE subscription = ?1 ORDER BY position, time
