INSERT INTO command_blocks (block, lowest, highest)
VALUES (?1, ?2, ?3)
