INSERT INTO parked_keys (subscription, slice, key, partition, position, cause, since, released)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO UPDATE SET
    partition = excluded.partition,
    position = excluded.position,
    cause = excluded.cause,
    since = excluded.since,
    released = excluded.released
