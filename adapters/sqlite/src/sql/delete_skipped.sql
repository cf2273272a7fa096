DELETE FROM skipped_events WHERE subscription = ?1
