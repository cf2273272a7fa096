-- Why no process handles a shard: paused by an operator, or stopped because of an event at
-- `halt_position`. Times are microseconds since 1970.
ALTER TABLE cqrs.checkpoints
    ADD COLUMN halt text CHECK (halt IN ('paused', 'stopped')),
    ADD COLUMN halt_reason text,
    ADD COLUMN halt_since bigint,
    ADD COLUMN halt_position bigint;

-- The events that a subscription has skipped, by the decision of an operator.
CREATE TABLE cqrs.skipped_events (
    subscription text   NOT NULL,
    position     bigint NOT NULL,
    reason       text   NOT NULL,
    time         bigint NOT NULL,
    -- Skipped again after the checkpoint was moved back.
    PRIMARY KEY (subscription, position, time)
);
