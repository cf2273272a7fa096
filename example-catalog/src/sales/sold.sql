-- $1 product, $2 time, $3 units.
INSERT INTO sales_days (day, product_id, units, takings)
SELECT ($2::text::timestamptz AT TIME ZONE 'UTC')::date, product_id, $3::bigint, $3::bigint * price
FROM sales_products
WHERE product_id = $1
ON CONFLICT (day, product_id) DO UPDATE
SET units = sales_days.units + excluded.units, takings = sales_days.takings + excluded.takings
