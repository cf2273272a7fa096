use cqrs_core::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct ProductId(u64);

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: ProductId,
}

fn main() {}
