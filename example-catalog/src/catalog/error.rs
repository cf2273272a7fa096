use rust_decimal::Decimal;

use crate::{MAX_PRICE, MAX_STOCK, ProductId};

/// How the catalog says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The id is taken; also by a product that is discontinued.
    #[error("product {0} already exists")]
    AlreadyExists(ProductId),
    /// No product has the id.
    #[error("there is no product {0}")]
    NotFound(ProductId),
    /// The product is not made or bought any more.
    #[error("product {0} is discontinued")]
    Discontinued(ProductId),
    /// Not a price.
    #[error(
        "{price} is no price for product {product_id}: \
         prices go from 0.01 to {MAX_PRICE}, in steps of 0.01"
    )]
    BadPrice {
        /// The product.
        product_id: ProductId,
        /// The price that was asked for.
        price: Decimal,
    },
    /// Nothing to receive or to reserve.
    #[error("0 units of product {0} are nothing to move")]
    NoUnits(ProductId),
    /// More is wanted than there is.
    #[error("not enough of product {product_id} in stock: {wanted} wanted, {available} available")]
    NotEnoughStock {
        /// The product.
        product_id: ProductId,
        /// How many units were asked for.
        wanted: u32,
        /// How many there are.
        available: u32,
    },
    /// More would be in stock than the catalog can count.
    #[error(
        "too much of product {product_id} in stock: {received} received, {available} available, \
         at most {MAX_STOCK}"
    )]
    TooMuchStock {
        /// The product.
        product_id: ProductId,
        /// How many units came.
        received: u32,
        /// How many there are.
        available: u32,
    },
}
