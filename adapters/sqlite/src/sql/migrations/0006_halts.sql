-- Why no process handles a shard: paused by an operator, or stopped because of an event at
-- `halt_position`. Times are microseconds since 1970.
ALTER TABLE checkpoints ADD COLUMN halt TEXT CHECK (halt IN ('paused', 'stopped'));
ALTER TABLE checkpoints ADD COLUMN halt_reason TEXT;
ALTER TABLE checkpoints ADD COLUMN halt_since INTEGER;
ALTER TABLE checkpoints ADD COLUMN halt_position INTEGER;

-- The events that a subscription has skipped, by the decision of an operator.
CREATE TABLE skipped_events (
    subscription TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    time         INTEGER NOT NULL,
    -- Skipped again after the checkpoint was moved back.
    PRIMARY KEY (subscription, position, time)
) STRICT, WITHOUT ROWID;
