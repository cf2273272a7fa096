-- With what tells whether the transaction is still the one that a handler was given.
SELECT position, time, epoch, store_id, current_setting('cqrs_store.handler', true)
FROM cqrs.head
WHERE id = 1
FOR UPDATE
