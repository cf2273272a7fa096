-- Begins a transaction for a query handler: everything that it reads is one snapshot. After a first
-- query, the transaction cannot be switched to writing any more. That query tells whether all of the
-- snapshot is durable.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT head.durable OR cqrs.is_flushed() FROM cqrs.head AS head WHERE head.id = 1
