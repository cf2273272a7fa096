-- A write for its own sake: see `Engine::resolve_commit`.
UPDATE meta
SET value = value + 1
WHERE key = 'settled'
