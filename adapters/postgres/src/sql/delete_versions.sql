DELETE FROM cqrs.projection_versions WHERE projection = $1
