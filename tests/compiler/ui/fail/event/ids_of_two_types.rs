use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-split", version = 1)]
struct ProductSplit {
    #[id(Product)]
    product_id: u64,
    #[id(Product, each)]
    parts: Vec<String>,
}

fn main() {}
