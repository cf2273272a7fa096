//! A sales report on `PostgreSQL`: a read model of plain tables, which a query joins. It is a module
//! of its own, because other stores do not understand this SQL.

use cqrs_core::prelude::*;
use cqrs_postgres::Postgres;
use rust_decimal::Decimal;

use crate::{
    ProductCreated, ProductId, ProductPriceUpdated, ProductRenamed, StockReleased, StockReserved,
};

cqrs_core::module!();

/// Projects the tables: the current state of each product, and its sales per day.
pub struct SalesReport;

#[projection(name = "sales-report", version = 2)]
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

    /// Uses the price at the time of the sale, because events arrive in order.
    #[on]
    async fn reserved(
        event: &StockReserved,
        recorded: &Recorded,
        tx: &mut Tx<Postgres>,
    ) -> Result<()> {
        sell(tx, recorded, &event.product_id, i64::from(event.units)).await
    }

    /// Counts on the day of the release.
    #[on]
    async fn released(
        event: &StockReleased,
        recorded: &Recorded,
        tx: &mut Tx<Postgres>,
    ) -> Result<()> {
        sell(tx, recorded, &event.product_id, -i64::from(event.units)).await
    }
}

async fn sell(
    tx: &mut Tx<Postgres>,
    recorded: &Recorded,
    product_id: &ProductId,
    units: i64,
) -> Result<()> {
    let (id, time) = (product_id.to_string(), recorded.meta.time.to_string());
    tx.execute(include_str!("sold.sql"), &[&id, &time, &units])
        .await?;
    Ok(())
}

/// Returns the sales per product, highest takings first.
#[derive(Query, Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[query(returns = Vec<SalesLine>, permission = "catalog:read")]
#[serde(deny_unknown_fields, default)]
pub struct GetSalesReport {
    /// First day, in UTC. Defaults to the first sale's.
    pub from: Option<Timestamp>,
    /// Last day, in UTC. Defaults to the last sale's.
    pub to: Option<Timestamp>,
}

/// The sales of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SalesLine {
    /// The product.
    pub product_id: ProductId,
    /// Its current name.
    pub name: String,
    /// Number of units sold.
    pub units: u64,
    /// Takings, at the prices at the times of sale.
    pub takings: Decimal,
    /// Share of all takings, in percent.
    pub share: Decimal,
}

#[query_handler]
async fn sales_report(query: GetSalesReport, sql: ReadTx<Postgres>) -> Result<Vec<SalesLine>> {
    let [from, to] = [query.from, query.to].map(|time| time.map(|it| it.to_string()));
    let rows = sql.query(include_str!("report.sql"), &[&from, &to]).await?;
    rows.iter()
        .map(|row| {
            Ok(SalesLine {
                product_id: row.try_get::<_, &str>(0)?.parse()?,
                name: row.try_get(1)?,
                units: row.try_get::<_, i64>(2)?.try_into()?,
                takings: row.try_get(3)?,
                share: row.try_get(4)?,
            })
        })
        .collect()
}
