DELETE FROM models WHERE name = ?1
