//! The same way of an order as in [`checkout`](crate::checkout), by reactions alone. Each answers one event, and
//! remembers nothing, so what it needs to know is the state of the order at that event. The outcome of a command
//! that may be rejected is looked at where it is sent. What takes time is [scheduled](Dispatcher::schedule).

use cqrs_core::prelude::*;

use crate::checkout::PATIENCE;
use crate::orders::{
    CancelOrder, LineReserved, Order, OrderCanceled, OrderError, OrderId, OrderLine, OrderPlaced,
    PaymentReceived, PaymentRefused, PaymentRequested, ReleaseLine, RequestPayment, ReserveLine,
    ShipOrder,
};

cqrs_core::module!();

#[event_handler]
async fn reserve_first(event: OrderPlaced, app: &Dispatcher) -> Result<()> {
    let order_id = event.order_id;
    match event.lines.into_iter().next() {
        Some(line) => reserve(app, order_id, line).await,
        None => Ok(()),
    }
}

/// Reserves the next line, or asks for the payment.
#[event_handler]
async fn go_on(event: LineReserved, recorded: &Recorded, app: &Dispatcher) -> Result<()> {
    let order_id = event.order_id;
    // As of the event: it has to be the same when the reaction is repeated.
    let order = app.state::<Order>(&order_id).at(recorded.position).await?;
    if let Some(next) = order.next_line() {
        return reserve(app, order_id, next.clone()).await;
    }
    match app.execute(RequestPayment { order_id }).await {
        // It was canceled in the meantime.
        Ok(_) | Err(CommandError::Rejected(OrderError::NotPossible { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// If the order is paid by then, it rejects that.
#[event_handler]
async fn expire(event: PaymentRequested, app: &Dispatcher) -> Result<()> {
    let cancel = CancelOrder {
        order_id: event.order_id,
        reason: "not paid in time".to_owned(),
    };
    app.schedule(cancel).after(PATIENCE).await?;
    Ok(())
}

#[event_handler]
fn ship(event: PaymentReceived) -> ShipOrder {
    let order_id = event.order_id;
    ShipOrder { order_id }
}

#[event_handler]
async fn cancel_unpaid(event: PaymentRefused, app: &Dispatcher) -> Result<()> {
    cancel(app, event.order_id, format!("not paid: {}", event.reason)).await
}

#[event_handler]
async fn release(
    event: OrderCanceled,
    recorded: &Recorded,
    app: &Dispatcher,
) -> Result<Vec<ReleaseLine>> {
    let order_id = event.order_id;
    let order = app.state::<Order>(&order_id).at(recorded.position).await?;
    let released = order.reserved.into_iter().map(|line| ReleaseLine {
        order_id,
        product_id: line.product_id,
    });
    Ok(released.collect())
}

async fn reserve(app: &Dispatcher, order_id: OrderId, line: OrderLine) -> Result<()> {
    let OrderLine { product_id, units } = line;
    let command = ReserveLine {
        order_id,
        product_id,
        units,
    };
    match app.execute(command).await {
        Ok(_) => Ok(()),
        Err(CommandError::Rejected(reason)) => cancel(app, order_id, reason.to_string()).await,
        Err(error) => Err(error.into()),
    }
}

async fn cancel(app: &Dispatcher, order_id: OrderId, reason: String) -> Result<()> {
    match app.execute(CancelOrder { order_id, reason }).await {
        // It was paid in the meantime.
        Ok(_) | Err(CommandError::Rejected(OrderError::NotPossible { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
