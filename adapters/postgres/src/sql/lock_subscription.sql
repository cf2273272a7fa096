-- Also for a subscription that has no checkpoint yet.
SELECT pg_advisory_xact_lock($1)
