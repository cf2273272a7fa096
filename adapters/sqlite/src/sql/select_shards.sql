-- The shards of the subscriptions in the JSON array ?1.
SELECT
    position, last_event, last_event_position, subscription, first_slice, last_slice, epoch, owning.id,
    halt, halt_reason, halt_since, halt_position, ahead, divided_by
FROM checkpoints AS shard LEFT JOIN workers AS owning
    ON owning.id = shard.owner AND owning.expires >= unixepoch('subsec')
WHERE subscription IN (SELECT value FROM json_each(?1))
ORDER BY subscription, first_slice
