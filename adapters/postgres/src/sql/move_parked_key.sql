-- Changes the key $2 of the slice $3 of a subscription ($1), which must be parked at $9.
UPDATE cqrs.parked_keys
SET partition = $4, position = $5, cause = $6, since = $7, released = $8
WHERE subscription = $1 AND key = $2 AND slice = $3 AND position = $9
