-- No two entries of this index are equal. PostgreSQL would look for some each time before it splits a page.
ALTER INDEX cqrs.events_by_tag SET (deduplicate_items = off);
