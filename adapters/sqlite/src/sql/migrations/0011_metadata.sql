-- Custom metadata of the event's command as a JSON object of texts; NULL if there is none. Programs of earlier
-- versions that have the file open name the columns that they write, and go on doing so.
ALTER TABLE events ADD COLUMN metadata TEXT;
