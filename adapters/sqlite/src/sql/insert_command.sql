INSERT INTO commands (id, fingerprint, first, count, resent)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO NOTHING
