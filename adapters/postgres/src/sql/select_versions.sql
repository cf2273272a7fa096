SELECT version, blueprints, began, is_live, was_live, is_held
FROM cqrs.projection_versions
WHERE projection = $1
ORDER BY version
