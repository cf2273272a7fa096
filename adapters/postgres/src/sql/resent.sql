-- The commands that were recorded while the head went from $1 to $2, with given ids of the form of assigned
-- ones: version 8, and the mark in the 12 bits after it. See `CommandId::is_assigned`. The position of one
-- without events is the head at that time.
SELECT command
FROM cqrs.events
WHERE position > $1
    AND position <= $2
    AND fingerprint IS NULL
    AND get_byte(uuid_send(command), 6) = 138
    AND get_byte(uuid_send(command), 7) = 85
UNION
SELECT id
FROM cqrs.commands
WHERE resent AND first >= $1 AND first <= $2
