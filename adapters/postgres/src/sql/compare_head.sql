-- Locks the head, if it is still at position $1 and epoch $2, set by the append $3. Otherwise fails with
-- a division by zero, so that the transaction does nothing.
SELECT 1 / count(*)
FROM (
    SELECT 1
    FROM cqrs.head
    WHERE id = 1 AND position = $1 AND epoch = $2 AND last = $3
    FOR UPDATE
) AS known
