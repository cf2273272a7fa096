use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView<K> {
    #[key]
    id: K,
}

fn main() {}
