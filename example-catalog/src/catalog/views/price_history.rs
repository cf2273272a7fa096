use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use crate::{ProductCreated, ProductId, ProductPriceUpdated};

/// A price of a product, with the time of the change.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PricePoint {
    /// Product and position in the log, so that a product's points sort by time.
    #[key]
    pub key: String,
    /// The product.
    #[index]
    pub product_id: ProductId,
    /// The price.
    pub price: Decimal,
    /// Time of the change.
    pub since: Timestamp,
    /// The actor that set it.
    pub set_by: Option<String>,
}

/// Projects the points.
pub struct PriceHistory;

#[projection(name = "price-history", version = 1)]
impl PriceHistory {
    #[on]
    fn created(event: &ProductCreated, recorded: &Recorded, points: &mut Views<PricePoint>) {
        points.put(point(&event.product_id, event.price, recorded));
    }

    #[on]
    fn repriced(event: &ProductPriceUpdated, recorded: &Recorded, points: &mut Views<PricePoint>) {
        points.put(point(&event.product_id, event.new_price, recorded));
    }
}

fn point(product_id: &ProductId, price: Decimal, recorded: &Recorded) -> PricePoint {
    PricePoint {
        key: format!("{product_id}/{:020}", recorded.position.get()),
        product_id: product_id.clone(),
        price,
        since: recorded.meta.time,
        set_by: recorded.meta.actor.clone(),
    }
}

/// Returns the prices of a product over time, oldest first; empty for an unknown product.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Vec<PricePeriod>, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct GetPriceHistory {
    /// The product.
    pub product_id: ProductId,
}

/// A period in which a product had one price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PricePeriod {
    /// The price.
    pub price: Decimal,
    /// Start of the period.
    pub from: Timestamp,
    /// End of the period, unless it is the current one.
    pub until: Option<Timestamp>,
    /// The actor that set it.
    pub set_by: Option<String>,
}

#[query_handler]
async fn price_history(
    query: GetPriceHistory,
    points: Read<PricePoint>,
) -> Result<Vec<PricePeriod>> {
    let points = points
        .find()
        .eq(PricePoint::PRODUCT_ID, &query.product_id)
        .all()
        .await?;
    let ends = points
        .iter()
        .skip(1)
        .map(|next| Some(next.since))
        .chain([None])
        .collect::<Vec<_>>();
    let periods = points
        .into_iter()
        .zip(ends)
        .map(|(point, until)| PricePeriod {
            price: point.price,
            from: point.since,
            until,
            set_by: point.set_by,
        })
        .collect();
    Ok(periods)
}
