-- The processes that attend for a subscription, unless their locks tell that they are gone.
SELECT workers.id, workers.has_lock
FROM workers, json_each(workers.subscriptions) AS subscription
WHERE subscription.value = ?1 AND workers.expires >= unixepoch('subsec')
