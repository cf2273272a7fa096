-- The first tag and the record of a command in the event's row. Stored rows stay as they are: their
-- `tag` is NULL, and all of their tags are in `event_tags` and `all_tags`.
--
-- A process of an earlier version writes and reads the column `tags`. Without it, each of its statements
-- fails, until it is restarted and finds that the tables are newer than itself.
ALTER TABLE cqrs.events RENAME COLUMN tags TO all_tags;

ALTER TABLE cqrs.events
    ADD COLUMN tag text COLLATE "C",
    ADD COLUMN fingerprint bigint,
    ALTER COLUMN all_tags DROP NOT NULL,
    ALTER COLUMN correlation DROP NOT NULL,
    ALTER COLUMN causation DROP NOT NULL;

COMMENT ON COLUMN cqrs.events.tag IS
    'the first tag; NULL if the event has none, or was written by an earlier version';
COMMENT ON COLUMN cqrs.events.all_tags IS
    'the tags as a JSON array; NULL if `tag` is all of them';
COMMENT ON COLUMN cqrs.events.fingerprint IS
    'that of the command, if its id was assigned by a dispatcher; NULL if it is in `commands`';
COMMENT ON COLUMN cqrs.events.correlation IS 'NULL if it is the id of the command';
COMMENT ON COLUMN cqrs.events.causation IS 'NULL if it is the id of the command';

DROP INDEX cqrs.events_by_type;

INSERT INTO cqrs.type_blocks (type, block)
SELECT DISTINCT type, (position - 1) / 256
FROM cqrs.events
WHERE position > (SELECT coalesce(max(block), 0) * 256 FROM cqrs.type_blocks)
ON CONFLICT DO NOTHING;

-- On `position + 0`, so that no plan for the events of a tag can use the primary key instead: it would
-- read the events of all tags in the range. With a plan that was made for an empty table, it might.
CREATE INDEX events_by_tag ON cqrs.events (tag, (position + 0)) WHERE tag IS NOT NULL;

-- Assigned ids grow with time, and so along the table. A BRIN index has one entry per range of pages,
-- which costs next to nothing to maintain, and finds the few ranges that can have an id.
CREATE INDEX events_by_command ON cqrs.events
USING brin (command) WITH (pages_per_range = 16, autosummarize = on)
WHERE fingerprint IS NOT NULL;

DROP VIEW cqrs.events_json;

-- For people.
CREATE VIEW cqrs.events_json AS
SELECT
    position,
    type,
    version,
    coalesce(all_tags::json, array_to_json(array_remove(ARRAY[tag], NULL))) AS tags,
    to_timestamp(time / 1000000.0) AS time,
    actor,
    id,
    command,
    coalesce(correlation, command) AS correlation,
    coalesce(causation, command) AS causation,
    convert_from(payload, 'UTF8') AS payload
FROM cqrs.events;
