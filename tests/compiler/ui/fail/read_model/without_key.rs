use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    id: String,
}

fn main() {}
