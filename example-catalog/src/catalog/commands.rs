//! What one can ask of the catalog.

use cqrs_core::error::Invalid;
use cqrs_core::{Validate, prelude::*};
use rust_decimal::Decimal;

use crate::{CatalogError, ProductId};

/// Adds a product to the catalog.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct CreateProduct {
    /// Its id, which no product had before.
    #[id(Product)]
    pub product_id: ProductId,
    /// What it is called.
    pub name: String,
    /// What there is to say about it.
    pub description: String,
    /// What it costs.
    pub price: Decimal,
}

/// Sets what a product costs.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct UpdateProductPrice {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// What it costs from now on.
    pub new_price: Decimal,
}

/// Sets what a product is called.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct RenameProduct {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// What it is called from now on.
    pub new_name: String,
}

/// Takes a product off the range: what is in stock can be sold, nothing else is done with it.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct DiscontinueProduct {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
}

/// Puts units of a product in stock.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct ReceiveStock {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// How many came.
    pub units: u32,
}

/// Sets units of a product aside for a buyer.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct ReserveStock {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// How many are wanted.
    pub units: u32,
}

impl Validate for CreateProduct {
    fn validate(&self) -> Result<(), Invalid> {
        line("name", &self.name)?;
        text("description", &self.description, 2000)
    }
}

impl Validate for RenameProduct {
    fn validate(&self) -> Result<(), Invalid> {
        line("new_name", &self.new_name)
    }
}

/// Checks a text that stands on one line and is not empty.
fn line(field: &str, value: &str) -> Result<(), Invalid> {
    ensure!(
        !value.trim().is_empty(),
        Invalid::field(field, "it is empty")
    );
    ensure!(
        !value.contains('\n'),
        Invalid::field(field, "it has more than one line")
    );
    text(field, value, 120)
}

/// Checks a text that people will see.
fn text(field: &str, value: &str, most: usize) -> Result<(), Invalid> {
    let letters = value.chars().count();
    ensure!(
        letters <= most,
        Invalid::field(field, format!("{letters} letters, at most {most}"))
    );
    let control = |letter: char| letter.is_control() && letter != '\n';
    ensure!(
        !value.contains(control),
        Invalid::field(field, "it has control characters in it")
    );
    Ok(())
}
