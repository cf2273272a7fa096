-- Removes the key $2 of the slice $3 of a subscription ($1), which must be parked at $4.
DELETE FROM cqrs.parked_keys
WHERE subscription = $1 AND key = $2 AND slice = $3 AND position = $4
