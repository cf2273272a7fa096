-- The fence: waits for an append in progress, which holds the row, and makes an append that has not
-- begun fail, because it compares the epoch. A lookup after this statement is final.
UPDATE cqrs.head SET epoch = epoch + 1
WHERE id = 1
