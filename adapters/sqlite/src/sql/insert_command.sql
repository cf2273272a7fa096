INSERT INTO commands (id, fingerprint, first, count)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO NOTHING
