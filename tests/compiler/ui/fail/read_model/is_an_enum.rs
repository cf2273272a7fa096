use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
enum ProductView {
    Listed,
    Discontinued,
}

fn main() {}
