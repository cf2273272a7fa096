-- Commands after position ?1 with given ids of the form of assigned ones: version 8, and the mark in the
-- 12 bits after it. See `CommandId::is_assigned`.
SELECT DISTINCT command
FROM events
WHERE position > ?1 AND fingerprint IS NULL AND substr(command, 7, 2) = x'8A55'
