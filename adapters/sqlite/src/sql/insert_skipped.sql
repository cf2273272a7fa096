INSERT INTO skipped_events (subscription, position, reason, time, key)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING
