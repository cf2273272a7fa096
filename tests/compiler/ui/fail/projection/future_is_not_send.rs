use std::rc::Rc;

use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    product_id: String,
}

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    async fn created(event: &ProductCreated) {
        let name = Rc::new(event.product_id.clone());
        pause().await;
        drop(name);
    }
}

async fn pause() {}

fn main() {}
