//! The aggregate: the events of an order, how they fold, and the decisions.

use std::fmt;

use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use super::{
    CancelOrder, OrderError, OrderId, PlaceOrder, ReceivePayment, RefusePayment, ReleaseLine,
    RequestPayment, ReserveLine, ShipOrder,
};
use crate::{Product, ProductId, StockRanLow, StockReleased, StockReserved};

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// The product.
    pub product_id: ProductId,
    /// Number of units.
    pub units: u32,
}

// Events.

/// An order was placed.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "order-placed", version = 1)]
pub struct OrderPlaced {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// Its lines.
    pub lines: Vec<OrderLine>,
}

/// The units of a line were set aside.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "order-line-reserved", version = 1)]
pub struct LineReserved {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The product.
    pub product_id: ProductId,
    /// Number of units.
    pub units: u32,
    /// The price of the line at that time.
    pub price: Decimal,
}

/// The units of a line were given back.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "order-line-released", version = 1)]
pub struct LineReleased {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The product.
    pub product_id: ProductId,
}

/// The payment of an order was asked for.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment-requested", version = 1)]
pub struct PaymentRequested {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The amount.
    pub amount: Decimal,
}

/// An order was paid.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment-received", version = 1)]
pub struct PaymentReceived {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
}

/// The payment of an order was refused.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment-refused", version = 1)]
pub struct PaymentRefused {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The reason.
    pub reason: String,
}

/// An order was paid after it was canceled: the money is to be paid back.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "refund-requested", version = 1)]
pub struct RefundRequested {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The amount.
    pub amount: Decimal,
}

/// An order is on its way.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "order-shipped", version = 1)]
pub struct OrderShipped {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
}

/// An order was canceled.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "order-canceled", version = 1)]
pub struct OrderCanceled {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
    /// The reason.
    pub reason: String,
}

// State.

/// The state that decisions about an order depend on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its stage.
    pub stage: Stage,
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// The lines that are reserved.
    pub reserved: Vec<OrderLine>,
    /// The price of all lines that were reserved.
    pub price: Decimal,
}

/// The stage of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// There is no such order.
    #[default]
    Unknown,
    /// Its lines are being reserved.
    Placed,
    /// It waits for its payment.
    Reserved,
    /// It is about to be shipped.
    Paid,
    /// It is on its way.
    Shipped,
    /// Nothing comes of it.
    Canceled,
}

#[aggregate(id = OrderId)]
impl Order {
    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        self.stage = Stage::Placed;
        self.lines.clone_from(&event.lines);
    }

    #[apply]
    fn line_reserved(&mut self, event: &LineReserved) {
        self.price += event.price;
        self.reserved.push(OrderLine {
            product_id: event.product_id.clone(),
            units: event.units,
        });
    }

    #[apply]
    fn line_released(&mut self, event: &LineReleased) {
        let released = &event.product_id;
        self.reserved.retain(|line| line.product_id != *released);
    }

    #[apply]
    fn payment_requested(&mut self, _: &PaymentRequested) {
        self.stage = Stage::Reserved;
    }

    #[apply]
    fn paid(&mut self, _: &PaymentReceived) {
        self.stage = Stage::Paid;
    }

    #[apply]
    fn shipped(&mut self, _: &OrderShipped) {
        self.stage = Stage::Shipped;
    }

    #[apply]
    fn canceled(&mut self, _: &OrderCanceled) {
        self.stage = Stage::Canceled;
    }
}

// Decisions.

#[command_handler]
fn place_order(cmd: PlaceOrder, order: &Order) -> Result<OrderPlaced, OrderError> {
    let PlaceOrder { order_id, lines } = cmd;
    ensure!(
        order.stage == Stage::Unknown,
        OrderError::AlreadyPlaced(order_id)
    );
    Ok(OrderPlaced { order_id, lines })
}

/// Decides about the order and the product at once: either both have their event, or none. Reserving a line
/// again records nothing.
#[command_handler]
fn reserve_line(
    cmd: ReserveLine,
    order: &Order,
    product: &Product,
) -> Result<Option<(LineReserved, StockReserved, Option<StockRanLow>)>, OrderError> {
    let ReserveLine {
        order_id,
        product_id,
        units,
    } = cmd;
    order.must_be(Stage::Placed, order_id)?;
    if order.reserved(&product_id).is_some() {
        return Ok(None);
    }
    let (reserved, ran_low) = product.reserve(product_id.clone(), units)?;
    let line = LineReserved {
        order_id,
        product_id,
        units,
        price: product.price * Decimal::from(units),
    };
    Ok(Some((line, reserved, ran_low)))
}

/// Gives back nothing if the line is not reserved.
#[command_handler]
fn release_line(cmd: ReleaseLine, order: &Order) -> Option<(LineReleased, StockReleased)> {
    let ReleaseLine {
        order_id,
        product_id,
    } = cmd;
    let units = order.reserved(&product_id)?.units;
    let released = StockReleased {
        product_id: product_id.clone(),
        units,
    };
    let line = LineReleased {
        order_id,
        product_id,
    };
    Some((line, released))
}

#[command_handler]
fn request_payment(cmd: RequestPayment, order: &Order) -> Result<PaymentRequested, OrderError> {
    order.must_be(Stage::Placed, cmd.order_id)?;
    Ok(PaymentRequested {
        order_id: cmd.order_id,
        amount: order.price,
    })
}

/// Money that comes too late is paid back.
#[command_handler]
fn receive_payment(
    cmd: ReceivePayment,
    order: &Order,
) -> Result<(Option<PaymentReceived>, Option<RefundRequested>), OrderError> {
    let order_id = cmd.order_id;
    if order.stage == Stage::Canceled {
        let amount = order.price;
        return Ok((None, Some(RefundRequested { order_id, amount })));
    }
    order.must_be(Stage::Reserved, order_id)?;
    Ok((Some(PaymentReceived { order_id }), None))
}

/// Changes nothing if the order does not wait for its payment.
#[command_handler]
fn refuse_payment(cmd: RefusePayment, order: &Order) -> Option<PaymentRefused> {
    let RefusePayment { order_id, reason } = cmd;
    (order.stage == Stage::Reserved).then_some(PaymentRefused { order_id, reason })
}

#[command_handler]
fn ship_order(cmd: ShipOrder, order: &Order) -> Result<OrderShipped, OrderError> {
    let order_id = cmd.order_id;
    order.must_be(Stage::Paid, order_id)?;
    Ok(OrderShipped { order_id })
}

/// Canceling an order again records nothing.
#[command_handler]
fn cancel_order(cmd: CancelOrder, order: &Order) -> Result<Option<OrderCanceled>, OrderError> {
    let CancelOrder { order_id, reason } = cmd;
    match order.stage {
        Stage::Canceled => Ok(None),
        Stage::Placed | Stage::Reserved => Ok(Some(OrderCanceled { order_id, reason })),
        stage => Err(OrderError::NotPossible { order_id, stage }),
    }
}

impl Order {
    /// The next line to reserve.
    pub fn next_line(&self) -> Option<&OrderLine> {
        let mut lines = self.lines.iter();
        lines.find(|line| self.reserved(&line.product_id).is_none())
    }

    /// The line of a product, if it is reserved.
    fn reserved(&self, product_id: &ProductId) -> Option<&OrderLine> {
        let mut reserved = self.reserved.iter();
        reserved.find(|line| line.product_id == *product_id)
    }

    fn must_be(&self, stage: Stage, order_id: OrderId) -> Result<(), OrderError> {
        ensure!(
            self.stage == stage,
            OrderError::NotPossible {
                order_id,
                stage: self.stage
            }
        );
        Ok(())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Placed => "placed",
            Self::Reserved => "reserved",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Canceled => "canceled",
        })
    }
}
