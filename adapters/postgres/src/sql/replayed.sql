-- Whether the server that answers queries has everything up to the place $1 of the leader's write-ahead log, and whether it
-- is a replica. What is no replica is the leader, and has replayed nothing, or is a replica that was promoted beside
-- it: then it lacks the event $3 at position $2, which the leader has.
SELECT
    CASE WHEN pg_is_in_recovery()
        THEN pg_last_wal_replay_lsn() >= $1::text::pg_lsn
        ELSE $3::uuid IS NULL
            OR EXISTS (SELECT FROM cqrs.events AS event WHERE event.position = $2 AND event.id = $3)
    END,
    pg_is_in_recovery()
