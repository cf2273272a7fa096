//! The commands of the catalog, with the checks that need no state.

use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use crate::{CatalogError, ProductId};

/// Adds a product to the catalog.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct CreateProduct {
    /// Its id, which must be new.
    #[id(Product)]
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its price.
    pub price: Decimal,
}

/// Changes the price of a product.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct UpdateProductPrice {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Its new price.
    pub new_price: Decimal,
}

/// Changes the name of a product.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
#[serde(deny_unknown_fields)]
pub struct RenameProduct {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Its new name.
    pub new_name: String,
}

/// Takes a product out of the range. Units in stock can still be sold.
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
    /// Number of units.
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
    /// Number of units.
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

/// Checks a text of one line that must not be empty.
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

/// Checks a text that is shown to people.
fn text(field: &str, value: &str, max: usize) -> Result<(), Invalid> {
    let letters = value.chars().count();
    ensure!(
        letters <= max,
        Invalid::field(field, format!("{letters} letters, at most {max}"))
    );
    ensure!(
        !value.contains(|letter: char| letter.is_control() && letter != '\n'),
        Invalid::field(field, "it has control characters in it")
    );
    Ok(())
}
