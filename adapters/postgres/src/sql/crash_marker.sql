-- The marker, which a crash removes, and the start of the server, which tells when its data may have
-- been replaced by a backup with the same marker.
SELECT marker, pg_postmaster_start_time()
FROM cqrs.crash_marker
