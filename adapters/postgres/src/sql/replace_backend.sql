-- Has the processes whose connection for notifications was the server's process $1, since $2, have another one: $3,
-- since $4. Until they attend again, they would count as dead.
UPDATE cqrs.workers SET backend = $3, backend_start = $4
WHERE backend = $1 AND backend_start IS NOT DISTINCT FROM $2
