-- Custom metadata of commands that have any and record events, as a JSON object of texts, for all of the events.
--
-- A table of its own, and not a column of `events`: programs of earlier versions that are running write rows
-- of that table as a whole, and go on doing so.
CREATE TABLE cqrs.command_metadata (
    command  uuid PRIMARY KEY,
    metadata text NOT NULL
);

-- For people.
CREATE OR REPLACE VIEW cqrs.events_json AS
SELECT
    position,
    type,
    version,
    coalesce(all_tags::json, array_to_json(array_remove(ARRAY[tag], NULL))) AS tags,
    to_timestamp(time / 1000000.0) AS time,
    actor,
    id,
    events.command,
    coalesce(correlation, events.command) AS correlation,
    coalesce(causation, events.command) AS causation,
    convert_from(payload, 'UTF8') AS payload,
    metadata
FROM cqrs.events
LEFT JOIN cqrs.command_metadata ON command_metadata.command = events.command;
