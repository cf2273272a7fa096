-- Parks the key $2 of the slice $3 of a subscription ($1), which must not be parked.
INSERT INTO cqrs.parked_keys (subscription, key, slice, partition, position, cause, since, released)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
