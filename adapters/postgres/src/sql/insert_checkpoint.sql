-- The first checkpoint of a shard that was never claimed.
INSERT INTO cqrs.checkpoints (
    subscription, first_slice, last_slice, position, last_event, last_event_position,
    last_event_checkpoint
)
SELECT
    $1, $2::smallint, $3::smallint, $4::bigint, $5::uuid, $6::bigint,
    CASE WHEN $2 = 0 AND $3 = 1023 THEN $4 END
ON CONFLICT DO NOTHING
RETURNING 1
