-- Locks the versions of a projection ($1) until the transaction ends: an advisory lock, since there may be no
-- row yet. Names no table: the schema is a part of the key.
SELECT pg_advisory_xact_lock(hashtextextended('cqrs.projection_versions ' || $1, 0))
