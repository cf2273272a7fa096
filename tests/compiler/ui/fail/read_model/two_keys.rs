use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
    #[key]
    name: String,
}

fn main() {}
