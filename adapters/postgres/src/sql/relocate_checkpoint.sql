-- Moves the checkpoint of a shard from $4 to $5, $6, $7, raises its epoch, and ends a halt other than a
-- pause. Records the event $8 as skipped, for the reason $9 at $10, once for each of the keys $11. Without one, nothing
-- is ahead of the new checkpoint, and no key is parked after it. Returns a row if the checkpoint was there.
WITH moved AS (
    UPDATE cqrs.checkpoints
    SET
        position = $5::bigint, last_event = $6::uuid, last_event_position = $7::bigint,
        last_event_checkpoint = CASE WHEN first_slice = 0 AND last_slice = 1023 THEN $5::bigint END,
        epoch = epoch + 1,
        halt = CASE WHEN halt = 'paused' THEN halt END,
        halt_reason = CASE WHEN halt = 'paused' THEN halt_reason END,
        halt_since = CASE WHEN halt = 'paused' THEN halt_since END,
        halt_position = NULL,
        ahead = CASE WHEN $8::bigint IS NOT NULL THEN ahead END
    WHERE subscription = $1 AND first_slice = $2 AND last_slice = $3
        AND position IS NOT DISTINCT FROM $4::bigint
    RETURNING 1
), inserted AS (
    INSERT INTO cqrs.checkpoints (
        subscription, first_slice, last_slice, position, last_event, last_event_position,
        last_event_checkpoint, epoch
    )
    SELECT
        $1, $2, $3, $5::bigint, $6::uuid, $7::bigint,
        CASE WHEN $2 = 0 AND $3 = 1023 THEN $5::bigint END, 1
    WHERE $4::bigint IS NULL AND $2 = 0 AND $3 = 1023 AND NOT EXISTS (SELECT FROM moved)
        AND NOT EXISTS (SELECT FROM cqrs.checkpoints WHERE subscription = $1)
    ON CONFLICT DO NOTHING
    RETURNING 1
), done AS (
    SELECT FROM moved
    UNION ALL
    SELECT FROM inserted
), unparked AS (
    DELETE FROM cqrs.parked_keys
    WHERE $8::bigint IS NULL AND EXISTS (SELECT FROM done)
        AND subscription = $1 AND slice BETWEEN $2 AND $3 AND parked_keys.position > $5::bigint
), recorded AS (
    INSERT INTO cqrs.skipped_events (subscription, position, reason, time, key)
    SELECT $1, $8::bigint, $9::text, $10::bigint, skipped.key
    FROM unnest($11::text[]) AS skipped (key)
    WHERE $8::bigint IS NOT NULL AND EXISTS (SELECT FROM done)
    ON CONFLICT DO NOTHING
)
SELECT 1 FROM done
