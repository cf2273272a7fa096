INSERT INTO cqrs.projection_versions (
    projection, version, blueprints, began, is_live, was_live, is_held
)
VALUES ($1, $2, $3, $4, $5, $6, $7)
