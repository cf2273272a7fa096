use std::fmt;

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductId(pub String);

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    #[error("the product exists already")]
    Exists,
    #[error("there is no such product")]
    Unknown,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = ProductError)]
pub struct CreateProduct {
    #[id(Product)]
    pub id: ProductId,
    pub name: String,
    pub price: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = ProductError)]
pub struct ChangePrice {
    #[id(Product)]
    pub id: ProductId,
    pub price: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
pub struct ProductCreated {
    #[id(Product)]
    pub id: ProductId,
    pub name: String,
    pub price: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "price-changed", version = 1)]
pub struct PriceChanged {
    #[id(Product)]
    pub id: ProductId,
    pub price: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Product {
    exists: bool,
}

#[aggregate(id = ProductId)]
impl Product {
    #[apply]
    fn created(&mut self, _: &ProductCreated) {
        self.exists = true;
    }
}

#[command_handler]
fn create(command: CreateProduct, product: &Product) -> Result<ProductCreated, ProductError> {
    if product.exists {
        return Err(ProductError::Exists);
    }
    Ok(ProductCreated {
        id: command.id,
        name: command.name,
        price: command.price,
    })
}

#[command_handler]
fn change_price(command: ChangePrice, product: &Product) -> Result<PriceChanged, ProductError> {
    if !product.exists {
        return Err(ProductError::Unknown);
    }
    Ok(PriceChanged {
        id: command.id,
        price: command.price,
    })
}
