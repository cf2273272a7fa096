-- An event of a command that began its conversation, with one tag or none and without custom metadata.
INSERT INTO events (
    id, type, version, time, actor, command, payload, tag, fingerprint, all_tags, correlation, causation
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '', x'', x'')
