INSERT INTO models (name, indexes)
VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET indexes = excluded.indexes
