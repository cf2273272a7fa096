-- The first checkpoint of a subscription that was never claimed.
INSERT INTO cqrs.checkpoints (
    subscription, first_slice, last_slice, position, last_event, last_event_position,
    last_event_checkpoint
)
SELECT
    $1, $2::smallint, $3::smallint, $4::bigint, $5::uuid, $6::bigint,
    CASE WHEN $2 = 0 AND $3 = 1023 THEN $4 END
WHERE $2::smallint = 0 AND $3::smallint = 1023 AND NOT EXISTS (SELECT FROM cqrs.checkpoints WHERE subscription = $1)
ON CONFLICT DO NOTHING
RETURNING 1
