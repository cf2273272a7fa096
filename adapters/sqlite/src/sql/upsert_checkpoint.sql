INSERT INTO checkpoints (subscription, position)
VALUES (?1, ?2)
ON CONFLICT (subscription) DO UPDATE SET position = excluded.position
