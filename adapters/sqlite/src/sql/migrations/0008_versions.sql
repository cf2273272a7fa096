-- The versions of projections. `blueprints` is a JSON array of the code that a version was built by, and of
-- code that was accepted as equivalent. `began` is in microseconds since 1970.
CREATE TABLE projection_versions (
    projection TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    blueprints TEXT    NOT NULL,
    began      INTEGER NOT NULL,
    is_live    INTEGER NOT NULL,
    was_live   INTEGER NOT NULL,
    is_held    INTEGER NOT NULL,
    PRIMARY KEY (projection, version)
) STRICT, WITHOUT ROWID;

-- Queries of programs whose own version was never live are answered from the live one.
CREATE UNIQUE INDEX one_live_version ON projection_versions (projection) WHERE is_live;
