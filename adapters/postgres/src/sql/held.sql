-- How many of these requests leases of other processes hold: as in the function `lease_tags`, without the lock of the
-- head. A lease that ends too late is from before the clock was set back.
SELECT count(*)
FROM (
    SELECT watched.request
    FROM unnest($2::text[], $3::bigint[]) AS watched (tag, request)
    JOIN cqrs.tag_leases AS lease ON lease.tag = watched.tag
    WHERE lease.until > clock_timestamp() AND lease.until <= clock_timestamp() + interval '1 second'
    GROUP BY watched.request
    HAVING (array_agg(lease.process ORDER BY lease.since, lease.process))[1] <> $1
) AS held
