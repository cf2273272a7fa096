use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(eror = CatalogError, name = 5)]
struct CreateProduct {
    #[id]
    product_id: String,
    #[id(Category, each)]
    categories: Vec<String>,
}

fn main() {}
