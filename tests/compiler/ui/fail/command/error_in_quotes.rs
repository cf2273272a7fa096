use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = "CatalogError")]
struct CreateProduct {
    name: String,
}

fn main() {}
