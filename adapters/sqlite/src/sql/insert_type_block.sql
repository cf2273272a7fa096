INSERT INTO type_blocks (type, block)
VALUES (?1, ?2)
ON CONFLICT (type, block) DO NOTHING
