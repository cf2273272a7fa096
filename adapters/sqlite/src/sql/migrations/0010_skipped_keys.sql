-- The parked key for which alone an event was skipped. Empty for all of a shard.
CREATE TABLE skipped (
    subscription TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    time         INTEGER NOT NULL,
    key          TEXT    NOT NULL DEFAULT '',
    -- Skipped again after the checkpoint was moved back, or for several keys at a time.
    PRIMARY KEY (subscription, position, time, key)
) STRICT, WITHOUT ROWID;
INSERT INTO skipped (subscription, position, reason, time)
SELECT subscription, position, reason, time FROM skipped_events;
DROP TABLE skipped_events;
ALTER TABLE skipped RENAME TO skipped_events;
