use cqrs_core::prelude::*;

use crate::{ProductId, StockRanLow};

/// Notifies the people who reorder products.
pub trait Notifier: Send + Sync {
    /// Reports that few units of a product are left.
    fn low_stock(&self, product: &ProductId, units_left: u32);
}

#[event_handler]
fn announce_low_stock(event: StockRanLow, notifier: Service<dyn Notifier>) {
    notifier.low_stock(&event.product_id, event.units_left);
}
