use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MAX_PRICE, MAX_STOCK, ProductId};

/// Reasons for which the catalog rejects a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, JsonSchema)]
pub enum CatalogError {
    /// The id is taken, possibly by a discontinued product.
    #[error("product {0} already exists")]
    AlreadyExists(ProductId),
    /// No product has the id.
    #[error("there is no product {0}")]
    NotFound(ProductId),
    /// The product is no longer made or bought.
    #[error("product {0} is discontinued")]
    Discontinued(ProductId),
    /// The price is out of range, or has more than two decimals.
    #[error(
        "{price} is no price for product {product_id}: \
         prices go from 0.01 to {MAX_PRICE}, in steps of 0.01"
    )]
    BadPrice {
        /// The product.
        product_id: ProductId,
        /// The requested price.
        price: Decimal,
    },
    /// The number of units to receive or reserve is zero.
    #[error("0 units of product {0} are nothing to move")]
    NoUnits(ProductId),
    /// The requested units exceed the stock.
    #[error("not enough of product {product_id} in stock: {wanted} wanted, {available} available")]
    NotEnoughStock {
        /// The product.
        product_id: ProductId,
        /// Requested units.
        wanted: u32,
        /// Units in stock.
        available: u32,
    },
    /// The stock would exceed [`MAX_STOCK`].
    #[error(
        "too much of product {product_id} in stock: {received} received, {available} available, \
         at most {MAX_STOCK}"
    )]
    TooMuchStock {
        /// The product.
        product_id: ProductId,
        /// Received units.
        received: u32,
        /// Units in stock.
        available: u32,
    },
}
