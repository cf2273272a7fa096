use cqrs_core::prelude::*;
use cqrs_core::store::BoxFuture;
use rust_decimal::Decimal;

use super::{OrderId, PaymentRequested, ReceivePayment, RefundRequested, RefusePayment};

/// A payment service. Both calls are idempotent: an order is charged once, and paid back once.
pub trait Payments: Send + Sync {
    /// Collects the price of an order.
    fn collect(&self, order_id: OrderId, amount: Decimal) -> BoxFuture<'_, Result<Collection>>;

    /// Pays the price of an order back.
    fn pay_back(&self, order_id: OrderId, amount: Decimal) -> BoxFuture<'_, Result<()>>;
}

/// The outcome of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collection {
    /// The money is there.
    Collected,
    /// There is none, for this reason.
    Refused(String),
    /// The customer pays later, or never. The service sends `ReceivePayment`.
    Pending,
}

/// The outcome is a command, so that it is recorded, and the order learns of it.
#[event_handler]
async fn collect(
    event: PaymentRequested,
    payments: Service<dyn Payments>,
) -> Result<(Option<ReceivePayment>, Option<RefusePayment>)> {
    let PaymentRequested { order_id, amount } = event;
    Ok(match payments.collect(order_id, amount).await? {
        Collection::Collected => (Some(ReceivePayment { order_id }), None),
        Collection::Refused(reason) => (None, Some(RefusePayment { order_id, reason })),
        Collection::Pending => (None, None),
    })
}

#[event_handler]
async fn pay_back(event: RefundRequested, payments: Service<dyn Payments>) -> Result<()> {
    payments.pay_back(event.order_id, event.amount).await
}

/// Stands for a payment service: it has the money for small orders, waits for that of large ones, and refuses
/// those in between.
pub struct SimulatedPayments;

impl SimulatedPayments {
    /// The price up to which orders are paid at once.
    pub const LIMIT: Decimal = Decimal::from_parts(2_000, 0, 0, false, 0);

    /// The price from which orders are paid by invoice.
    pub const INVOICE: Decimal = Decimal::from_parts(5_000, 0, 0, false, 0);
}

impl Payments for SimulatedPayments {
    fn collect(&self, _: OrderId, amount: Decimal) -> BoxFuture<'_, Result<Collection>> {
        let collection = if amount <= Self::LIMIT {
            Collection::Collected
        } else if amount < Self::INVOICE {
            Collection::Refused(format!("the limit is {}", Self::LIMIT))
        } else {
            Collection::Pending
        };
        Box::pin(async { Ok(collection) })
    }

    fn pay_back(&self, _: OrderId, _: Decimal) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
