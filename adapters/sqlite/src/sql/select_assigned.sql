-- The record of a command in its events: in the finished blocks that may have it, and in the last one.
SELECT e.fingerprint, min(e.position), count(*)
FROM (
    SELECT block FROM command_blocks WHERE lowest <= ?1 AND highest >= ?1
    UNION ALL
    SELECT max(position) / 256 FROM events
) AS b
CROSS JOIN events AS e ON e.position > b.block * 256 AND e.position <= b.block * 256 + 256
WHERE e.command = ?1 AND e.fingerprint IS NOT NULL
GROUP BY e.command
