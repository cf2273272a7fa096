-- Records the range of the assigned ids in block ?1, which has all its events.
INSERT INTO command_blocks (block, lowest, highest)
SELECT ?1, min(command), max(command)
FROM events
WHERE position > ?1 * 256 AND position <= ?1 * 256 + 256 AND fingerprint IS NOT NULL
HAVING count(*) > 0
