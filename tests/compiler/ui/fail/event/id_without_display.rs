use cqrs_core::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct ProductId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: ProductId,
}

fn main() {}
