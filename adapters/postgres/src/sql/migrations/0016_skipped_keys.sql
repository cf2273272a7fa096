-- The parked key for which alone an event was skipped, encoded as the keys of views. Empty for all of a shard.
ALTER TABLE cqrs.skipped_events
    ADD COLUMN key text NOT NULL DEFAULT '',
    DROP CONSTRAINT skipped_events_pkey,
    -- Skipped again after the checkpoint was moved back, or for several keys at a time.
    ADD PRIMARY KEY (subscription, position, time, key);
