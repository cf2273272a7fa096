SELECT id, subscriptions, has_lock FROM workers ORDER BY id
