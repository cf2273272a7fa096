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

struct ProductCreated {
    product_id: String,
}

#[command_handler]
fn create(cmd: CreateProduct) -> Result<ProductCreated, CatalogError> {
    Ok(ProductCreated {
        product_id: cmd.product_id,
    })
}

fn main() {}
