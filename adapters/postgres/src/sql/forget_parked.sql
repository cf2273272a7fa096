DELETE FROM cqrs.parked_keys WHERE subscription = $1
