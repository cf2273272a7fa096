-- Appends a batch at the end of the log, wherever that is. See the migration that creates the function.
SELECT
    head_position, head_time, head_epoch, head_last, left_out, held, has_lease,
    tail_types, tail_tags, tail_lists, given_ids
FROM cqrs.append_at_end($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19 * interval '1 millisecond', $20)
