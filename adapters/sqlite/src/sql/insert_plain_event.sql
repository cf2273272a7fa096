-- An event of a command that began its conversation, with one tag or none and without custom metadata.
INSERT INTO events (
    id, type, version, all_tags, time, actor, command, correlation, causation, payload, tag, fingerprint
)
VALUES (?1, ?2, ?3, '', ?4, ?5, ?6, x'', x'', ?7, ?8, ?9)
