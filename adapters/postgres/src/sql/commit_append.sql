-- Commits, if the append $1 has set the head: otherwise the division fails, and the server skips the rest of
-- the message. The savepoint is for going on then. A script, so the id is part of the text.
SAVEPOINT cqrs_append;
SELECT 1 / count(*) FROM cqrs.head WHERE id = 1 AND last = '$1';
COMMIT
