-- A subscription is divided into shards, which processes claim: a row for each, which is never
-- deleted, since its epoch must not begin again. Without a position, it was claimed and has no
-- checkpoint yet.
CREATE TABLE shards (
    subscription        TEXT    NOT NULL,
    first_slice         INTEGER NOT NULL,
    last_slice          INTEGER NOT NULL,
    position            INTEGER,
    last_event          BLOB,
    last_event_position INTEGER,
    owner               BLOB,
    epoch               INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subscription, first_slice)
) STRICT, WITHOUT ROWID;

-- Only a process of an earlier version could move a checkpoint without its event.
INSERT INTO shards (
    subscription, first_slice, last_slice, position, last_event, last_event_position
)
SELECT
    subscription, 0, 1023, position,
    CASE WHEN last_event_checkpoint = position THEN last_event END, last_event_position
FROM checkpoints;

DROP TABLE checkpoints;
ALTER TABLE shards RENAME TO checkpoints;

-- The processes that handle subscriptions. The owner of a shard is dead if it is not here, or only
-- with a time that has passed.
CREATE TABLE workers (
    id            BLOB NOT NULL PRIMARY KEY,
    subscriptions TEXT NOT NULL, -- a JSON array of strings
    expires       REAL NOT NULL, -- in seconds since 1970
    -- Whether the process keeps a lock on a file beside the database while it lives.
    has_lock      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
