-- Types and tags of the events in ($1, $2], and the id of the command unless a dispatcher assigned it.
SELECT position, type, all_tags, tag, CASE WHEN fingerprint IS NULL THEN command END
FROM cqrs.events
WHERE position > $1 AND position <= $2
ORDER BY position
