-- Waits for an append that is under way, and shuts out one that has not begun.
UPDATE cqrs.head SET epoch = epoch + 1
WHERE id = 1
