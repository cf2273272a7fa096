use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
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

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct CatalogError;

#[command_handler]
fn create(_: CreateProduct) -> Result<Option<ProductCreated>, CatalogError> {
    Ok(None)
}

fn main() {}
