-- Changes a value only to have something to commit: see `Engine::resolve_commit`.
UPDATE meta
SET value = value + 1
WHERE key = 'settled'
