INSERT INTO skipped_events (subscription, position, reason, time) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING
