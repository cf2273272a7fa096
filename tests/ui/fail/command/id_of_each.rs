use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct DiscontinueProducts {
    #[id(Product, each)]
    products: Vec<String>,
}

fn main() {}
