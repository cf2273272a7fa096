-- Custom metadata of the event's command as a JSON object of texts; NULL if there is none. Programs of earlier
-- versions that have the file open name the columns that they write, and go on doing so.
ALTER TABLE events ADD COLUMN metadata TEXT;

DROP VIEW events_json;

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
    CAST(payload AS TEXT) AS payload,
    metadata
FROM events;
