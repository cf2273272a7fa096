use cqrs_core::prelude::*;

#[derive(Debug)]
enum CatalogError {
    AlreadyExists,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = CatalogError)]
struct CreateProduct {
    name: String,
}

fn main() {}
