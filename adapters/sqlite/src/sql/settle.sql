-- A write for its own sake: see `Writer::settle`.
UPDATE meta
SET value = value + 1
WHERE key = 'settled'
