-- The last event that a subscription knew when it wrote its checkpoint, by which it recognizes its
-- log, which may be in another store. A process of an earlier version moves the checkpoint alone:
-- the event counts only while `last_event_checkpoint` equals `position`.
--
-- `event` and `event_position`, of events in this schema, are written by earlier versions only.
ALTER TABLE cqrs.checkpoints ADD COLUMN last_event uuid;
ALTER TABLE cqrs.checkpoints ADD COLUMN last_event_position bigint;
ALTER TABLE cqrs.checkpoints ADD COLUMN last_event_checkpoint bigint;
