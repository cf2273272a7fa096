use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use crate::{
    ProductCreated, ProductDiscontinued, ProductPriceUpdated, StockReceived, StockReleased,
    StockReserved,
};

/// The key of the only view.
const KEY: &str = "catalog";

/// Sums over the catalog, from which the statistics are computed.
#[derive(ReadModel, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogTotals {
    /// Always the same, because there is one catalog.
    #[key]
    pub catalog: String,
    /// All products, current and former.
    pub products: u64,
    /// Products out of the range.
    pub discontinued: u64,
    /// Sum of the prices of all products in the range.
    pub price_sum: Decimal,
    /// Number of price changes.
    pub price_changes: u64,
    /// Units received into stock.
    pub units_received: u64,
    /// Units reserved, and not released again.
    pub units_reserved: u64,
}

/// Projects the sums.
pub struct Statistics;

#[projection(name = "statistics", version = 3)]
impl Statistics {
    #[on]
    fn created(event: &ProductCreated, totals: &mut Views<CatalogTotals>) -> Result<()> {
        add(totals, |totals| {
            totals.products += 1;
            totals.price_sum += event.price;
        })
    }

    #[on]
    fn repriced(event: &ProductPriceUpdated, totals: &mut Views<CatalogTotals>) -> Result<()> {
        add(totals, |totals| {
            totals.price_changes += 1;
            totals.price_sum += event.new_price - event.old_price;
        })
    }

    #[on]
    fn discontinued(event: &ProductDiscontinued, totals: &mut Views<CatalogTotals>) -> Result<()> {
        add(totals, |totals| {
            totals.discontinued += 1;
            totals.price_sum -= event.last_price;
        })
    }

    #[on]
    fn received(event: &StockReceived, totals: &mut Views<CatalogTotals>) -> Result<()> {
        add(totals, |totals| {
            totals.units_received += u64::from(event.units);
        })
    }

    #[on]
    fn reserved(event: &StockReserved, totals: &mut Views<CatalogTotals>) -> Result<()> {
        add(totals, |totals| {
            totals.units_reserved += u64::from(event.units);
        })
    }

    #[on]
    fn released(event: &StockReleased, totals: &mut Views<CatalogTotals>) -> Result<()> {
        add(totals, |totals| {
            totals.units_reserved -= u64::from(event.units);
        })
    }
}

fn add(totals: &mut Views<CatalogTotals>, change: impl FnOnce(&mut CatalogTotals)) -> Result<()> {
    let mut view = totals.get(KEY)?.unwrap_or_else(|| CatalogTotals {
        catalog: KEY.to_owned(),
        ..CatalogTotals::default()
    });
    change(&mut view);
    totals.put(view);
    Ok(())
}

/// The catalog in figures.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = CatalogStatistics, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct GetCatalogStatistics {}

/// The catalog in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogStatistics {
    /// Products in the range.
    pub products_on_sale: u64,
    /// Products out of the range.
    pub products_discontinued: u64,
    /// Average price of the products in the range, if there are any.
    pub average_price: Option<Decimal>,
    /// Number of price changes.
    pub price_changes: u64,
    /// Units received into stock.
    pub units_received: u64,
    /// Units that were set aside for buyers.
    pub units_reserved: u64,
    /// Units that can be reserved.
    pub units_in_stock: u64,
}

#[query_handler]
async fn catalog_statistics(
    _: GetCatalogStatistics,
    totals: Read<CatalogTotals>,
) -> Result<CatalogStatistics> {
    let totals = totals.get(KEY).await?.unwrap_or_default();
    let products_on_sale = totals.products.saturating_sub(totals.discontinued);
    let average = totals.price_sum.checked_div(products_on_sale.into());
    Ok(CatalogStatistics {
        products_on_sale,
        products_discontinued: totals.discontinued,
        average_price: average.map(|price| price.round_dp(2)),
        price_changes: totals.price_changes,
        units_received: totals.units_received,
        units_reserved: totals.units_reserved,
        units_in_stock: totals.units_received.saturating_sub(totals.units_reserved),
    })
}
