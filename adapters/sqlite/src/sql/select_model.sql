SELECT indexes
FROM models
WHERE name = ?1
