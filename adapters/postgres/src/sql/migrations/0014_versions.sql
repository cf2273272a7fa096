-- The versions of projections. `blueprints` is a JSON array of the code that a version was built by, and of
-- code that was accepted as equivalent. `began` is in microseconds since 1970.
CREATE TABLE cqrs.projection_versions (
    projection text    NOT NULL,
    version    bigint  NOT NULL,
    blueprints text    NOT NULL,
    began      bigint  NOT NULL,
    is_live    boolean NOT NULL,
    was_live   boolean NOT NULL,
    is_held    boolean NOT NULL,
    PRIMARY KEY (projection, version)
);

-- Queries of programs whose own version was never live are answered from the live one.
CREATE UNIQUE INDEX one_live_version ON cqrs.projection_versions (projection) WHERE is_live;

-- The log needs no right to delete, and a role that has none is to go on writing.
GRANT DELETE ON cqrs.projection_versions TO PUBLIC;
