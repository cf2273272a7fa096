use std::sync::Arc;

use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

trait Mailer: Send + Sync {}

#[event_handler]
fn announce(_: ProductCreated, _: &Arc<dyn Mailer>) {}

fn main() {}
