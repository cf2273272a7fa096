//! What was sold, in `PostgreSQL`: a read model of plain tables, which a report joins. Its own
//! module, since on other stores there is nobody to speak this SQL.

use cqrs_core::prelude::*;
use cqrs_postgres::Postgres;
use rust_decimal::Decimal;

use crate::{ProductCreated, ProductId, ProductPriceUpdated, ProductRenamed, StockReserved};

cqrs_core::module!();

/// Keeps the tables: each product as it is now, and what was sold of it on each day.
pub struct SalesReport;

#[projection(name = "sales-report", version = 1)]
impl SalesReport {
    #[setup]
    async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
        Ok(tx.batch_execute(include_str!("tables.sql")).await?)
    }

    #[on]
    async fn created(event: &ProductCreated, tx: &mut Tx<Postgres>) -> Result<()> {
        let insert = "INSERT INTO sales_products (product_id, name, price) VALUES ($1, $2, $3)";
        let id = event.product_id.to_string();
        tx.execute(insert, &[&id, &event.name, &event.price])
            .await?;
        Ok(())
    }

    #[on]
    async fn renamed(event: &ProductRenamed, tx: &mut Tx<Postgres>) -> Result<()> {
        let update = "UPDATE sales_products SET name = $2 WHERE product_id = $1";
        let id = event.product_id.to_string();
        tx.execute(update, &[&id, &event.new_name]).await?;
        Ok(())
    }

    #[on]
    async fn repriced(event: &ProductPriceUpdated, tx: &mut Tx<Postgres>) -> Result<()> {
        let update = "UPDATE sales_products SET price = $2 WHERE product_id = $1";
        let id = event.product_id.to_string();
        tx.execute(update, &[&id, &event.new_price]).await?;
        Ok(())
    }

    /// Sold at the price of then: events come in order.
    #[on]
    async fn reserved(
        event: &StockReserved,
        recorded: &Recorded,
        tx: &mut Tx<Postgres>,
    ) -> Result<()> {
        let id = event.product_id.to_string();
        let (time, units) = (recorded.meta.time.to_string(), i64::from(event.units));
        tx.execute(include_str!("sold.sql"), &[&id, &time, &units])
            .await?;
        Ok(())
    }
}

/// What was sold, the highest takings first.
#[derive(Query, Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[query(returns = Vec<SalesLine>, permission = "catalog:read")]
#[serde(deny_unknown_fields, default)]
pub struct GetSalesReport {
    /// From this time's day on, in UTC; from the first one if not given.
    pub from: Option<Timestamp>,
    /// To this time's day, in UTC; to the last one if not given.
    pub to: Option<Timestamp>,
}

/// What was sold of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SalesLine {
    /// The product.
    pub product_id: ProductId,
    /// What it is called now.
    pub name: String,
    /// How many units were sold.
    pub units: u64,
    /// What they brought in, each at its price of then.
    pub takings: Decimal,
    /// Of all takings, in percent.
    pub share: Decimal,
}

#[query_handler]
async fn sales_report(query: GetSalesReport, sql: ReadTx<Postgres>) -> Result<Vec<SalesLine>> {
    let [from, to] = [query.from, query.to].map(|time| time.map(|it| it.to_string()));
    let rows = sql.query(include_str!("report.sql"), &[&from, &to]).await?;
    let line = |row: &cqrs_postgres::tokio_postgres::Row| {
        Ok(SalesLine {
            product_id: row.try_get::<_, &str>(0)?.parse()?,
            name: row.try_get(1)?,
            units: row.try_get::<_, i64>(2)?.try_into()?,
            takings: row.try_get(3)?,
            share: row.try_get(4)?,
        })
    };
    rows.iter().map(line).collect()
}
