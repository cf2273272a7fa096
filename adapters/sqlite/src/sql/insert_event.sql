-- The position is the one after the last: SQLite numbers rows so, and need not look for a row that has it.
INSERT INTO events (
    id, type, version, time, actor, command, payload, tag, fingerprint, all_tags, correlation, causation,
    metadata
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
