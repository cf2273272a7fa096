//! Orders: their lines are reserved, they are paid and shipped, or canceled. Here is what an order can do, and
//! what may be asked. The next step comes from [`checkout`](crate::checkout), a process manager, or from
//! [`checkout_by_reactions`](crate::checkout_by_reactions): a program takes one of them.

mod commands;
mod error;
mod order;
mod order_id;
mod payments;
mod view;

pub use commands::{
    CancelOrder, PlaceOrder, ReceivePayment, RefusePayment, ReleaseLine, RequestPayment,
    ReserveLine, ShipOrder,
};
pub use error::OrderError;
pub use order::{
    LineReleased, LineReserved, Order, OrderCanceled, OrderLine, OrderPlaced, OrderShipped,
    PaymentReceived, PaymentRefused, PaymentRequested, RefundRequested, Stage,
};
pub use order_id::OrderId;
pub use payments::{Collection, Payments, SimulatedPayments};
pub use view::{GetOrder, GetOrders, OrderCard, OrderCards};

cqrs_core::module!();
