INSERT INTO cqrs.checkpoints (
    subscription, first_slice, last_slice, epoch, position, last_event, last_event_position,
    last_event_checkpoint, halt, halt_reason, halt_since, ahead, divided_by
)
SELECT
    $1, $2::smallint, $3::smallint, $4, $5::bigint, $6, $7,
    CASE WHEN $2::smallint = 0 AND $3::smallint = 1023 THEN $5::bigint END, $8, $9, $10, $11, $12
