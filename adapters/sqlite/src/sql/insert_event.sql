INSERT INTO events (
    position, id, type, version, tags, time, actor, command, correlation, causation, payload
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
