use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct DiscontinueProducts {
    #[id(Product, each)]
    product: u64,
}

fn main() {}
