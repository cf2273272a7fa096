//! The commands of orders, with the checks that need no state. A customer sends the first two; the others follow
//! from events.

use cqrs_core::prelude::*;

use super::{OrderError, OrderId, OrderLine};
use crate::ProductId;

/// Maximum number of lines of an order.
const MAX_LINES: usize = 50;

/// Places an order.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(error = OrderError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    /// Its id, which must be new.
    #[id(Order)]
    pub order_id: OrderId,
    /// Its lines, each of another product.
    pub lines: Vec<OrderLine>,
}

/// Cancels an order that is not paid.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(error = OrderError)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The reason.
    pub reason: String,
}

/// Sets the units of a line aside.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(error = OrderError)]
#[serde(deny_unknown_fields)]
pub struct ReserveLine {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Number of units.
    pub units: u32,
}

/// Gives back the units of a line that was reserved.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLine {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The product.
    pub product_id: ProductId,
}

/// Asks for the payment of an order whose lines are reserved.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(error = OrderError)]
#[serde(deny_unknown_fields)]
pub struct RequestPayment {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
}

/// Tells that an order was paid.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(error = OrderError)]
#[serde(deny_unknown_fields)]
pub struct ReceivePayment {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
}

/// Tells that the payment of an order was refused.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusePayment {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The reason.
    pub reason: String,
}

/// Sends an order that is paid on its way.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(error = OrderError)]
#[serde(deny_unknown_fields)]
pub struct ShipOrder {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
}

impl Validate for PlaceOrder {
    fn validate(&self) -> Result<(), Invalid> {
        let count = self.lines.len();
        ensure!(
            (1..=MAX_LINES).contains(&count),
            Invalid::field("lines", format!("{count} lines, from 1 to {MAX_LINES}"))
        );
        for (place, line) in self.lines.iter().enumerate() {
            let product = &line.product_id;
            let mut before = self.lines[..place].iter();
            ensure!(
                before.all(|other| other.product_id != *product),
                Invalid::field("lines", format!("product {product} is in several lines"))
            );
        }
        Ok(())
    }
}
