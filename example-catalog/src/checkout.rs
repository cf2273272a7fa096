//! The way of an order to its customer, conducted by a process manager. Its lines are reserved one after the other;
//! then the payment is asked for, and the order is shipped. If a line cannot be reserved, or the payment is
//! refused or does not come, the order is canceled, and what was reserved is given back.

use std::time::Duration;

use cqrs_core::prelude::*;

use crate::ProductId;
use crate::orders::{
    CancelOrder, LineReserved, OrderCanceled, OrderError, OrderId, OrderLine, OrderPlaced,
    OrderShipped, PaymentReceived, PaymentRefused, ReleaseLine, RequestPayment, ReserveLine,
    ShipOrder,
};

cqrs_core::module!();

/// Time within which an order is to be paid.
pub const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// An order was not paid in time.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment-overdue", version = 1)]
pub struct PaymentOverdue {
    /// The order.
    #[id(Order)]
    pub order_id: OrderId,
}

/// An order on its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Checkout {
    /// The lines that are to be reserved, the next one first.
    pub to_reserve: Vec<OrderLine>,
    /// The products that are reserved.
    pub reserved: Vec<ProductId>,
}

#[process_manager(name = "checkout", id(Order = OrderId))]
#[expect(
    clippy::unused_self,
    reason = "each step takes the state, whether it needs it or not"
)]
impl Checkout {
    #[start]
    fn placed(&mut self, event: &OrderPlaced) -> Option<ReserveLine> {
        self.to_reserve.clone_from(&event.lines);
        self.reserve_next(event.order_id)
    }

    #[on]
    fn reserved(
        &mut self,
        event: &LineReserved,
    ) -> (
        Option<ReserveLine>,
        Option<(RequestPayment, Deadline<PaymentOverdue>)>,
    ) {
        let order_id = event.order_id;
        self.reserved.push(event.product_id.clone());
        self.to_reserve
            .retain(|line| line.product_id != event.product_id);
        let next = self.reserve_next(order_id);
        let payment = next.is_none().then(|| {
            let due = Deadline::after(PaymentOverdue { order_id }, PATIENCE);
            (RequestPayment { order_id }, due)
        });
        (next, payment)
    }

    #[on]
    fn paid(&mut self, event: &PaymentReceived) -> (Cancel<PaymentOverdue>, ShipOrder) {
        let order_id = event.order_id;
        (Cancel::new(), ShipOrder { order_id })
    }

    #[on]
    fn not_paid(&mut self, event: &PaymentRefused) -> CancelOrder {
        cancel(event.order_id, format!("not paid: {}", event.reason))
    }

    #[due]
    fn overdue(&mut self, due: &PaymentOverdue) -> CancelOrder {
        cancel(due.order_id, "not paid in time".to_owned())
    }

    #[rejected]
    fn not_reserved(&mut self, command: &ReserveLine, reason: &OrderError) -> CancelOrder {
        cancel(command.order_id, reason.to_string())
    }

    /// It was canceled in the meantime.
    #[rejected]
    fn not_requested(&mut self, _: &RequestPayment, _: &OrderError) {}

    /// It was paid in the meantime.
    #[rejected]
    fn not_canceled(&mut self, _: &CancelOrder, _: &OrderError) {}

    #[on]
    fn shipped(&mut self, _: &OrderShipped) -> End {
        End
    }

    /// Whoever has canceled it, a customer or this.
    #[on]
    fn canceled(&mut self, event: &OrderCanceled) -> (Vec<ReleaseLine>, End) {
        let order_id = event.order_id;
        let reserved = std::mem::take(&mut self.reserved).into_iter();
        let released = reserved.map(|product_id| ReleaseLine {
            order_id,
            product_id,
        });
        (released.collect(), End)
    }

    fn reserve_next(&self, order_id: OrderId) -> Option<ReserveLine> {
        let OrderLine { product_id, units } = self.to_reserve.first()?.clone();
        Some(ReserveLine {
            order_id,
            product_id,
            units,
        })
    }
}

fn cancel(order_id: OrderId, reason: String) -> CancelOrder {
    CancelOrder { order_id, reason }
}
