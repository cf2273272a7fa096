INSERT INTO workers (id, subscriptions, expires, has_lock)
VALUES (?1, ?2, unixepoch('subsec') + ?3, ?4)
ON CONFLICT (id) DO UPDATE SET
    subscriptions = excluded.subscriptions,
    expires = excluded.expires,
    has_lock = excluded.has_lock
