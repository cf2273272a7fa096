use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
#[read_model(nam = "products")]
struct ProductView {
    #[key]
    id: String,
}

fn main() {}
