-- The tables of version 1, as its migration made them. Never changed.
-- One row: the end of the log. An append compares and sets it, so that positions are contiguous
-- and in commit order whoever writes. `epoch` is raised to shut out an append of which it is not
-- known whether it will still happen.
CREATE TABLE cqrs.head (
    id       smallint PRIMARY KEY CHECK (id = 1),
    position bigint   NOT NULL,
    time     bigint   NOT NULL, -- of the last event, microseconds since 1970
    epoch    bigint   NOT NULL,
    store_id uuid     NOT NULL
) WITH (fillfactor = 10);

INSERT INTO cqrs.head VALUES (1, 0, '-9223372036854775808', 0, gen_random_uuid());

CREATE TABLE cqrs.events (
    position    bigint PRIMARY KEY,
    id          uuid   NOT NULL,
    type        text   COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    tags        text   NOT NULL, -- a JSON array of strings
    time        bigint NOT NULL, -- microseconds since 1970
    actor       text,
    command     uuid   NOT NULL,
    correlation uuid   NOT NULL,
    causation   uuid   NOT NULL,
    payload     bytea  NOT NULL -- JSON
);

CREATE INDEX events_by_type ON cqrs.events (type, position);

CREATE TABLE cqrs.event_tags (
    tag      text   COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tag, position)
);

-- Commands that were processed. The last position is `first + count - 1`, or `first`, the head
-- at that time, when there was no event.
CREATE TABLE cqrs.commands (
    id          uuid   PRIMARY KEY,
    fingerprint bigint NOT NULL,
    first       bigint NOT NULL,
    count       bigint NOT NULL
);

-- States of aggregates with `storage = "state"`.
CREATE TABLE cqrs.states (
    aggregate text   COLLATE "C" NOT NULL,
    id        text   COLLATE "C" NOT NULL,
    body      bytea  NOT NULL, -- JSON
    position  bigint NOT NULL,
    PRIMARY KEY (aggregate, id)
);

CREATE TABLE cqrs.checkpoints (
    subscription text   COLLATE "C" PRIMARY KEY,
    position     bigint NOT NULL
);

-- Which read models have a table, `view_` and their name, and what its columns i0, i1, .. index.
CREATE TABLE cqrs.models (
    name    text COLLATE "C" PRIMARY KEY,
    indexes text NOT NULL -- a JSON array of strings
);

-- For people.
CREATE VIEW cqrs.events_json AS
SELECT
    position,
    type,
    version,
    tags::json AS tags,
    to_timestamp(time / 1000000.0) AS time,
    actor,
    id,
    command,
    correlation,
    causation,
    convert_from(payload, 'UTF8') AS payload
FROM cqrs.events;
