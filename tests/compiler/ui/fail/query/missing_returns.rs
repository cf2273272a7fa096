use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
struct GetProductById {
    product_id: String,
}

fn main() {}
