INSERT INTO events (
    position, id, type, version, all_tags, time, actor, command, correlation, causation, payload, tag,
    fingerprint, metadata
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
