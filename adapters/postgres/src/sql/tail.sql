-- Types and tags of the events in ($1, $2].
SELECT position, type, all_tags, tag
FROM cqrs.events
WHERE position > $1 AND position <= $2
ORDER BY position
