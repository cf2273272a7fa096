-- An advisory lock, because a new subscription has no checkpoint row that could be locked.
SELECT pg_advisory_xact_lock($1)
