-- The append that set the head: an id that each statement makes for itself. A batch that is sent while
-- the one before it is in flight names that one as its predecessor. Position and epoch alone would also
-- match if another process wrote as many events in its place.
--
-- A process of an earlier version moves the position without setting `last`. That misleads nobody: an
-- id is in the head only after its append was written, and every append with events after that one
-- moves the position. So position and `last` match together only if the named append was written, and
-- no event has come since. A process of an earlier version compares position and epoch, as before.
ALTER TABLE cqrs.head ADD COLUMN last uuid;

UPDATE cqrs.head SET last = gen_random_uuid();

ALTER TABLE cqrs.head ALTER COLUMN last SET NOT NULL;
