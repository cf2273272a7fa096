SELECT
    position, last_event, last_event_position, subscription, first_slice, last_slice, epoch, owning.id
FROM checkpoints AS shard LEFT JOIN workers AS owning ON owning.id = shard.owner
WHERE subscription IN (SELECT value FROM workers, json_each(subscriptions))
ORDER BY subscription, first_slice
