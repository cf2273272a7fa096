-- $1 and $2: the first and the last day, as times, or NULL.
SELECT
    product_id,
    name,
    sum(units)::bigint AS units,
    sum(takings) AS takings,
    coalesce(round(100 * sum(takings) / nullif(sum(sum(takings)) OVER (), 0), 1), 0) AS share
FROM sales_days
JOIN sales_products USING (product_id)
WHERE ($1::text IS NULL OR day >= ($1::text::timestamptz AT TIME ZONE 'UTC')::date)
    AND ($2::text IS NULL OR day <= ($2::text::timestamptz AT TIME ZONE 'UTC')::date)
GROUP BY product_id, name
ORDER BY takings DESC, product_id
