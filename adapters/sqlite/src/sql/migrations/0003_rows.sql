-- The first tag and the record of a command in the event's row. Stored rows stay as they are: their
-- `tag` is NULL, all of their tags are in `event_tags` and `all_tags`, and their commands in `commands`.
--
-- A process of an earlier version that has the file open writes and reads the column `tags`. Without it,
-- each of its statements fails, until it is restarted and finds that the file is newer than itself.
DROP VIEW events_json;

ALTER TABLE events RENAME COLUMN tags TO all_tags;

-- The first tag; NULL if the event has none. `all_tags` is empty if `tag` is all of them. `correlation`
-- and `causation` are empty if they are the id of the command.
ALTER TABLE events ADD COLUMN tag TEXT;

-- That of the command, if its id was assigned by a dispatcher; NULL if it is in `commands`.
ALTER TABLE events ADD COLUMN fingerprint INTEGER;

-- Ends in the position, as every index of a rowid table does: one tag in position order.
CREATE INDEX events_by_tag ON events (tag) WHERE tag IS NOT NULL;

DROP INDEX events_by_type;

-- The blocks of positions in which a type occurs, for reads of a rare type: block b has the positions
-- b * 256 + 1 to b * 256 + 256. An append adds a row when a type first occurs in a block.
CREATE TABLE type_blocks (
    type  TEXT    NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (type, block)
) STRICT, WITHOUT ROWID;

INSERT INTO type_blocks (type, block)
SELECT DISTINCT type, (position - 1) / 256
FROM events;

-- The lowest and the highest assigned id of a command in a finished block of positions. Such ids grow
-- with time, and so along the log: few blocks can have a given one.
CREATE TABLE command_blocks (
    block   INTEGER PRIMARY KEY,
    lowest  BLOB NOT NULL,
    highest BLOB NOT NULL
) STRICT;

-- For people with a database browser.
CREATE VIEW events_json AS
SELECT
    position,
    type,
    version,
    CASE
        WHEN all_tags <> '' THEN json(all_tags)
        WHEN tag IS NULL THEN json_array()
        ELSE json_array(tag)
    END AS tags,
    strftime('%Y-%m-%dT%H:%M:%S', time / 1000000, 'unixepoch')
        || printf('.%06dZ', time % 1000000) AS time,
    actor,
    lower(hex(id)) AS id,
    lower(hex(command)) AS command,
    lower(hex(iif(correlation = x'', command, correlation))) AS correlation,
    lower(hex(iif(causation = x'', command, causation))) AS causation,
    CAST(payload AS TEXT) AS payload
FROM events;
