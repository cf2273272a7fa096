use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
#[read_model(name = "Product View")]
struct ProductView {
    #[key]
    id: String,
}

fn main() {}
