INSERT INTO checkpoints (subscription, first_slice, last_slice) VALUES (?1, ?2, ?3)
ON CONFLICT DO NOTHING
