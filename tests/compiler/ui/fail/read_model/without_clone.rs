use cqrs_core::prelude::*;

#[derive(ReadModel, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

fn main() {}
