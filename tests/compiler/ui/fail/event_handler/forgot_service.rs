use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

struct Mailer;

#[event_handler]
fn announce(_: ProductCreated, _: Mailer) {}

fn main() {}
