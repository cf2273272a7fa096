use std::rc::Rc;

use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[event_handler]
async fn announce(event: ProductCreated) {
    let name = Rc::new(event.product_id);
    pause().await;
    drop(name);
}

async fn pause() {}

fn main() {}
