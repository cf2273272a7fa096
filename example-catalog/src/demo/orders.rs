use cqrs_cli::{CliError, print_line, time};
use example_catalog::ReceiveStock;
use example_catalog::checkout::Checkout;
use example_catalog::orders::{GetOrders, Order, OrderId, OrderLine, PlaceOrder};

use super::{Demo, MAX_IDLE, answer, heading, id, indented};
use crate::tables::orders;

/// Each order with its line, in which the simulated payment service has a part.
const ORDERS: [(u64, &str, u32); 4] = [
    (1, "P002", 2),
    // Too expensive.
    (2, "P001", 3),
    // By invoice.
    (3, "P001", 5),
    // More than there are.
    (4, "P002", 30),
];

impl Demo<'_> {
    /// Orders, which a process manager conducts.
    pub(super) async fn show_orders(&self) -> Result<(), CliError> {
        heading("Orders are reserved, paid and shipped, or canceled")?;
        for product in ["P001", "P002"] {
            let receive = ReceiveStock {
                product_id: id(product)?,
                units: 20,
            };
            let what = format!("20 of {product}");
            let once = format!("receive {product}");
            self.send(&what, receive, Some(&once)).await?;
        }
        for (order, product, units) in ORDERS {
            let product_id = id(product)?;
            let place = PlaceOrder {
                order_id: OrderId(order),
                lines: vec![OrderLine { product_id, units }],
            };
            let what = format!("{order}: {units} of {product}");
            let once = format!("order {order}");
            self.send(&what, place, Some(&once)).await?;
            let idle = self.dispatcher.wait_until_idle(MAX_IDLE).await;
            idle.map_err(CliError::failed)?;
        }
        let cards = self.session.query(GetOrders {}).await?;
        answer("GetOrders", &orders(&cards))?;

        heading("The steps of order 2")?;
        let events = self.dispatcher.history::<Order>(&OrderId(2)).all().await?;
        for event in events {
            let step = format!("{:>9}  {}", event.position, event.data.event_type);
            print_line(indented(&step))?;
        }

        heading("Order 3 waits")?;
        let checkout = self.dispatcher.process::<Checkout>(&OrderId(3)).await?;
        for deadline in checkout.into_iter().flat_map(|it| it.deadlines) {
            let due = deadline.due.map(time).unwrap_or_default();
            let waits = format!("{} at {due}", deadline.name);
            print_line(indented(&waits))?;
        }
        Ok(())
    }
}
