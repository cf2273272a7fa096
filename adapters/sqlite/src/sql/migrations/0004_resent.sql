-- A repetition of a command by an assigned id may be decided otherwise than its first sending, and have no
-- events. Then this row is all that tells other processes about it (I6): `resent` is 1 if the id has the
-- form of an assigned one, was given, and the command has no events, else NULL.
ALTER TABLE commands ADD COLUMN resent INTEGER;

CREATE INDEX commands_resent ON commands (first) WHERE resent;
