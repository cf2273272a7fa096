-- A subscription may be divided into shards by a tag. `ahead` is a JSON array of ranges of slices of which
-- a shard has handled more than up to its checkpoint, since they were those of another shard before.
ALTER TABLE cqrs.checkpoints
    ADD COLUMN ahead text,
    ADD COLUMN divided_by text;
