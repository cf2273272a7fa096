-- Locks and returns the head. The setting `cqrs_store.handler` ends with the transaction that a
-- handler was given, so it tells whether the handler has ended that.
SELECT position, time, epoch, store_id, last, current_setting('cqrs_store.handler', true)
FROM cqrs.head
WHERE id = 1
FOR UPDATE
