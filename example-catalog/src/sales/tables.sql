CREATE TABLE sales_products (
    product_id text PRIMARY KEY,
    name text NOT NULL,
    price numeric NOT NULL
);
CREATE TABLE sales_days (
    day date NOT NULL,
    product_id text NOT NULL REFERENCES sales_products,
    units bigint NOT NULL,
    takings numeric NOT NULL,
    PRIMARY KEY (day, product_id)
);
