-- Custom metadata of commands that have any and record events, as a JSON object of texts, for all of the events.
--
-- A table of its own, and not a column of `events`: programs of earlier versions that are running write rows
-- of that table as a whole, and go on doing so.
CREATE TABLE cqrs.command_metadata (
    command  uuid PRIMARY KEY,
    metadata text NOT NULL
);
