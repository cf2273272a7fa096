-- The custom metadata of these commands. Commands without any are absent.
SELECT found.command, found.metadata
FROM cqrs.command_metadata AS found
WHERE found.command = ANY ($1)
