-- Events of this type, in the blocks of positions that have any.
SELECT
    e.position, e.id, e.type, e.version, e.all_tags, e.time, e.actor, e.command, e.correlation,
    e.causation, e.payload, e.tag, e.metadata
FROM type_blocks AS b
CROSS JOIN events AS e
    ON e.position > max(b.block * 256, ?1) AND e.position <= min(b.block * 256 + 256, ?2)
WHERE b.type = ?3 AND b.block >= ?1 / 256 AND b.block <= ?2 / 256 AND e.type = ?3
ORDER BY b.block, e.position
