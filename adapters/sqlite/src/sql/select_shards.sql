-- The shards of the subscriptions in the JSON array ?1.
SELECT
    position, last_event, last_event_position, shard.subscription, first_slice, last_slice, epoch, owning.id,
    halt, halt_reason, halt_since, halt_position, ahead,
    coalesce(
        (
            SELECT partition FROM parked_keys AS parked
            WHERE parked.subscription = shard.subscription
                AND slice BETWEEN first_slice AND last_slice
            LIMIT 1
        ),
        divided_by
    ),
    (
        SELECT count(*) FROM parked_keys AS parked
        WHERE parked.subscription = shard.subscription AND slice BETWEEN first_slice AND last_slice
    )
FROM checkpoints AS shard LEFT JOIN workers AS owning
    ON owning.id = shard.owner AND owning.expires >= unixepoch('subsec')
WHERE shard.subscription IN (SELECT value FROM json_each(?1))
ORDER BY shard.subscription, first_slice
