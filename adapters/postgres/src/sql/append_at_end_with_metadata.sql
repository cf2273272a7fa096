-- As `append_at_end`, with rows of custom metadata, each for the request at the same place of $22: those of
-- requests that were left out are not written.
WITH appended AS MATERIALIZED (
    SELECT *
    FROM cqrs.append_at_end($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19 * interval '1 millisecond', $20)
), new_metadata AS (
    INSERT INTO cqrs.command_metadata (command, metadata)
    SELECT new.command, new.metadata
    FROM appended, unnest($21::cqrs.command_metadata[]) WITH ORDINALITY AS new (command, metadata, place)
    WHERE ($22::bigint[])[new.place] <> ALL (appended.left_out)
)
SELECT
    head_position, head_time, head_epoch, head_last, left_out, held, has_lease,
    tail_types, tail_tags, tail_lists, given_ids
FROM appended
