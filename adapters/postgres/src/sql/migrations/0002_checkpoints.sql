-- The event at a checkpoint when it was written, by which a checkpoint of another history of the log
-- is noticed: the log of a restored backup may have grown past it.
-- It says nothing once a process of an earlier version has moved the checkpoint without it, so the
-- position that it belongs to is kept with it.
ALTER TABLE cqrs.checkpoints ADD COLUMN event uuid;
ALTER TABLE cqrs.checkpoints ADD COLUMN event_position bigint;

UPDATE cqrs.checkpoints AS checkpoints SET event = events.id, event_position = events.position
FROM cqrs.events AS events
WHERE events.position = checkpoints.position;

-- An append names the epoch that it was decided in. Where a log is dropped and created again, the
-- new one has another epoch.
UPDATE cqrs.head SET epoch = epoch + (random() * 4e18)::bigint
WHERE epoch < 4e18::bigint;
