-- The commands that were recorded since the head was ?1, with given ids of the form of assigned ones:
-- version 8, and the mark in the 12 bits after it. See `CommandId::is_assigned`. The position of one without
-- events is the head at that time.
SELECT command
FROM events
WHERE position > ?1 AND fingerprint IS NULL AND substr(command, 7, 2) = x'8A55'
UNION
SELECT id
FROM commands
WHERE resent AND first >= ?1
