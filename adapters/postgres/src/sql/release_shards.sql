UPDATE cqrs.checkpoints AS shard SET owner = NULL
FROM unnest($2::text[], $3::smallint[]) AS released (subscription, first_slice)
WHERE shard.owner = $1
    AND shard.subscription = released.subscription
    AND shard.first_slice = released.first_slice
