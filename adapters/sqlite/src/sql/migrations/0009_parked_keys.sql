-- The keys of partitioned subscriptions whose events are left out, from the one at `position` on, since
-- that one failed. `since` is in microseconds since 1970.
CREATE TABLE parked_keys (
    subscription TEXT    NOT NULL,
    -- The id in the tag `partition`.
    key          TEXT    NOT NULL,
    partition    TEXT    NOT NULL,
    slice        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    cause        TEXT    NOT NULL,
    since        INTEGER NOT NULL,
    released     INTEGER NOT NULL,
    PRIMARY KEY (subscription, slice, key)
) STRICT, WITHOUT ROWID;
