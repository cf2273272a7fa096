-- Whether the commit of the last append waited for the disk. It did not if the head was locked for
-- others: the wait follows the commit then, and others see events before they are durable. A process
-- of an earlier version leaves the column as it is, which is safe: every commit that waits makes the
-- commits before it durable, too.
ALTER TABLE cqrs.head ADD COLUMN durable boolean NOT NULL DEFAULT true;

-- Whether everything that the calling statement can see is durable. A transaction becomes visible after
-- its commit record is inserted, so what is visible was inserted before the position that is read here.
-- A standby that commits wait for may not have it yet, which only another waiting commit can tell. A
-- replica receives nothing that is not on the disk of its primary.
CREATE FUNCTION cqrs.is_flushed() RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN pg_catalog.pg_is_in_recovery() THEN true
        WHEN pg_catalog.current_setting('synchronous_standby_names') <> '' THEN false
        ELSE pg_catalog.pg_current_wal_insert_lsn() <= pg_catalog.pg_current_wal_flush_lsn()
    END
$$;
