-- Whatever the session's default is. Of several processes that find no marker, one sets it.
BEGIN READ WRITE;
INSERT INTO cqrs.crash_marker (id, marker) VALUES (1, gen_random_uuid())
ON CONFLICT DO NOTHING;
COMMIT
