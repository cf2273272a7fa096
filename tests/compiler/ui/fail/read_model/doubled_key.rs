use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
#[read_model(name = "products", name = "product_views")]
struct ProductView {
    #[key]
    id: String,
}

fn main() {}
