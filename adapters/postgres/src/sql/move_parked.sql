-- Gives the parked keys of a subscription ($2) to another one ($1).
UPDATE cqrs.parked_keys SET subscription = $1 WHERE subscription = $2
