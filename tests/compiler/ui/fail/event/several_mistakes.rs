use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(nmae = "products-merged", version = 0)]
struct ProductsMerged {
    #[id]
    into: String,
    #[id(Product, eahc)]
    products: Vec<String>,
}

fn main() {}
