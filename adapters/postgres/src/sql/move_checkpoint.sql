UPDATE cqrs.checkpoints
SET
    position = $4::bigint, last_event = $5, last_event_position = $6,
    last_event_checkpoint = CASE WHEN first_slice = 0 AND last_slice = 1023 THEN $4::bigint END
WHERE subscription = $1 AND first_slice = $2 AND last_slice = $3
    AND epoch = $7 AND position IS NOT DISTINCT FROM $8
RETURNING 1
