use cqrs_core::prelude::*;

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct CatalogError;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = CatalogError)]
struct CreateProduct {
    #[id(Product)]
    product_id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[command_handler]
fn create(_: CreateProduct) -> Result<Option<ProductCreated>> {
    Ok(None)
}

fn main() {}
