-- The commands of events in ($1, $2] with given ids of the form of assigned ones: version 8, and the mark
-- in the 12 bits after it. See `CommandId::is_assigned`.
SELECT DISTINCT command
FROM cqrs.events
WHERE position > $1
    AND position <= $2
    AND fingerprint IS NULL
    AND get_byte(uuid_send(command), 6) = 138
    AND get_byte(uuid_send(command), 7) = 85
