use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

fn main() {}
