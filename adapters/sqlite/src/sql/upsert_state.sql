INSERT INTO states (aggregate, id, body, position)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (aggregate, id) DO UPDATE SET body = excluded.body, position = excluded.position
