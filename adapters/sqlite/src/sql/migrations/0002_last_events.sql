-- The last event that a subscription knew when it wrote its checkpoint, by which it recognizes its
-- log. A process of an earlier version moves the checkpoint alone: the event counts only while
-- `last_event_checkpoint` equals `position`.
ALTER TABLE checkpoints ADD COLUMN last_event BLOB;
ALTER TABLE checkpoints ADD COLUMN last_event_position INTEGER;
ALTER TABLE checkpoints ADD COLUMN last_event_checkpoint INTEGER;
