use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use super::{
    LineReserved, OrderCanceled, OrderId, OrderLine, OrderPlaced, OrderShipped, PaymentReceived,
    PaymentRequested, Stage,
};

/// An order as its customer sees it.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCard {
    /// Its id.
    #[key]
    pub id: OrderId,
    /// Its stage.
    pub stage: Stage,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// The price of the lines that were reserved.
    pub price: Decimal,
    /// The reason, if it was canceled.
    pub reason: Option<String>,
    /// Time at which it was placed.
    #[index]
    pub placed: Timestamp,
}

/// Projects the cards.
pub struct OrderCards;

#[projection(name = "order-cards", version = 1, partition = "order")]
impl OrderCards {
    #[on]
    fn placed(event: &OrderPlaced, recorded: &Recorded, cards: &mut Views<OrderCard>) {
        cards.put(OrderCard {
            id: event.order_id,
            stage: Stage::Placed,
            lines: event.lines.clone(),
            price: Decimal::ZERO,
            reason: None,
            placed: recorded.meta.time,
        });
    }

    #[on]
    fn reserved(event: &LineReserved, cards: &mut Views<OrderCard>) -> Result<()> {
        cards.update(&event.order_id, |card| card.price += event.price)?;
        Ok(())
    }

    #[on]
    fn payment_requested(event: &PaymentRequested, cards: &mut Views<OrderCard>) -> Result<()> {
        cards.update(&event.order_id, |card| card.stage = Stage::Reserved)?;
        Ok(())
    }

    #[on]
    fn paid(event: &PaymentReceived, cards: &mut Views<OrderCard>) -> Result<()> {
        cards.update(&event.order_id, |card| card.stage = Stage::Paid)?;
        Ok(())
    }

    #[on]
    fn shipped(event: &OrderShipped, cards: &mut Views<OrderCard>) -> Result<()> {
        cards.update(&event.order_id, |card| card.stage = Stage::Shipped)?;
        Ok(())
    }

    #[on]
    fn canceled(event: &OrderCanceled, cards: &mut Views<OrderCard>) -> Result<()> {
        cards.update(&event.order_id, |card| {
            card.stage = Stage::Canceled;
            card.reason = Some(event.reason.clone());
        })?;
        Ok(())
    }
}

/// Returns an order, `null` for an unknown one.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Option<OrderCard>, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct GetOrder {
    /// The order.
    pub order_id: OrderId,
}

/// Returns the latest orders, at most 100.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Vec<OrderCard>, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct GetOrders {}

#[query_handler]
async fn find_order(query: GetOrder, cards: Read<OrderCard>) -> Result<Option<OrderCard>> {
    cards.get(&query.order_id).await
}

#[query_handler]
async fn latest_orders(_: GetOrders, cards: Read<OrderCard>) -> Result<Vec<OrderCard>> {
    let latest = cards.find().order_by(OrderCard::PLACED).descending();
    latest.take(100).all().await
}
