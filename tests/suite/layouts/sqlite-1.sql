-- The tables of version 1, as its migration made them. Never changed.
-- The log. The writer sees to it that positions are contiguous from 1 and times never decrease.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    type        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    tags        TEXT    NOT NULL, -- a JSON array of strings
    time        INTEGER NOT NULL, -- microseconds since 1970
    actor       TEXT,
    command     BLOB    NOT NULL,
    correlation BLOB    NOT NULL,
    causation   BLOB    NOT NULL,
    payload     BLOB    NOT NULL  -- JSON
) STRICT;

-- Ends in the position, as every index of a rowid table does: one type in position order.
CREATE INDEX events_by_type ON events (type);

CREATE TABLE event_tags (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

-- Commands that were processed. The last position is `first + count - 1`, or `first`, the head
-- at that time, when there was no event.
CREATE TABLE commands (
    id          BLOB    NOT NULL PRIMARY KEY,
    fingerprint INTEGER NOT NULL,
    first       INTEGER NOT NULL,
    count       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- States of aggregates with `storage = "state"`.
CREATE TABLE states (
    aggregate TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    body      BLOB    NOT NULL, -- JSON
    position  INTEGER NOT NULL,
    PRIMARY KEY (aggregate, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    subscription TEXT    NOT NULL PRIMARY KEY,
    position     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which read models have a table, `view_` and their name, and what its columns i0, i1, .. index.
CREATE TABLE models (
    name    TEXT NOT NULL PRIMARY KEY,
    indexes TEXT NOT NULL -- a JSON array of strings
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('settled', 0);

-- For people with a database browser.
CREATE VIEW events_json AS
SELECT
    position,
    type,
    version,
    json(tags) AS tags,
    strftime('%Y-%m-%dT%H:%M:%S', time / 1000000, 'unixepoch')
        || printf('.%06dZ', time % 1000000) AS time,
    actor,
    lower(hex(id)) AS id,
    lower(hex(command)) AS command,
    lower(hex(correlation)) AS correlation,
    lower(hex(causation)) AS causation,
    CAST(payload AS TEXT) AS payload
FROM events;
