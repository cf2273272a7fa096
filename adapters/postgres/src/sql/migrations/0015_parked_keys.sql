-- The keys of partitioned subscriptions whose events are left out, from the one at `position` on, since
-- that one failed. `since` is in microseconds since 1970.
CREATE TABLE cqrs.parked_keys (
    subscription text     NOT NULL,
    -- The id in the tag `partition`, without U+0000.
    key          text     NOT NULL,
    partition    text     NOT NULL,
    slice        smallint NOT NULL,
    position     bigint   NOT NULL,
    cause        text     NOT NULL,
    since        bigint   NOT NULL,
    released     boolean  NOT NULL,
    PRIMARY KEY (subscription, slice, key)
);
