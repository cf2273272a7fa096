use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize)]
struct ProductView {
    #[key]
    id: String,
}

fn main() {}
