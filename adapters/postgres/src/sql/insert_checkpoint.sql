-- The first checkpoint of a subscription.
INSERT INTO cqrs.checkpoints (
    subscription, position, last_event, last_event_position, last_event_checkpoint
)
VALUES ($1, $2, $3, $4, $2)
ON CONFLICT DO NOTHING
RETURNING 1
