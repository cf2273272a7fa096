-- What a program of version 18 has prepared before a migration: its append of an event with the tag $2 at the end of the
-- log, decided on the head at position $1, without a parameter for the types of the events.
PREPARE old_append_at_end (bigint, text) AS
SELECT appended.left_out, appended.tail_tags
FROM cqrs.head AS head, cqrs.append_at_end(
    $1, head.epoch, head.store_id, head.last, 100, gen_random_uuid(), ARRAY[1]::bigint[], ARRAY[gen_random_uuid()],
    ARRAY[
        ROW($1 + 1, gen_random_uuid(), 'noted', 1, NULL, 0, NULL, gen_random_uuid(), NULL, NULL, '{}', $2, 7)
    ]::cqrs.events[],
    '{}', '{}', '{}', ARRAY[$2], ARRAY[1]::bigint[], '{}', '{}', gen_random_uuid(), '{}', interval '100 ms'
) AS appended;
