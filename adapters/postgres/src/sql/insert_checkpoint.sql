-- The first checkpoint of a subscription.
INSERT INTO cqrs.checkpoints (subscription, position, event, event_position)
VALUES ($1, $2, (SELECT id FROM cqrs.events WHERE position = $2), $2)
ON CONFLICT DO NOTHING
