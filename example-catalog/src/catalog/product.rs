//! The aggregate: the events of a product, how they fold, and the decisions.

use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use crate::{
    CatalogError, CreateProduct, DiscontinueProduct, ProductId, ReceiveStock, RenameProduct,
    ReserveStock, UpdateProductPrice,
};

#[cfg(test)]
mod tests;

/// The highest price.
pub const MAX_PRICE: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// Maximum number of units of one product in stock.
pub const MAX_STOCK: u32 = 1_000_000_000;

/// The stock below which a product runs low.
pub const LOW_STOCK: u32 = 5;

// Events.

/// A product was added to the catalog.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "product-created", version = 1)]
pub struct ProductCreated {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its price.
    pub price: Decimal,
}

/// The price of a product was changed.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "product-price-updated", version = 1)]
pub struct ProductPriceUpdated {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// The price before.
    pub old_price: Decimal,
    /// The new price.
    pub new_price: Decimal,
}

/// A product was renamed.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "product-renamed", version = 1)]
pub struct ProductRenamed {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// The new name.
    pub new_name: String,
}

/// A product was taken out of the range.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "product-discontinued", version = 1)]
pub struct ProductDiscontinued {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Its last price.
    pub last_price: Decimal,
}

/// Units of a product were received into stock.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "stock-received", version = 1)]
pub struct StockReceived {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Number of units.
    pub units: u32,
}

/// Units of a product were set aside for a buyer.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "stock-reserved", version = 1)]
pub struct StockReserved {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Number of units.
    pub units: u32,
}

/// Units of a product that were set aside can be reserved again.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "stock-released", version = 1)]
pub struct StockReleased {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Number of units.
    pub units: u32,
}

/// The stock of a product fell below the limit.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event(name = "stock-ran-low", version = 1)]
pub struct StockRanLow {
    /// The product.
    #[id(Product)]
    pub product_id: ProductId,
    /// Remaining units.
    pub units_left: u32,
}

// State.

/// The state that decisions about a product depend on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Its stage of life.
    pub status: Status,
    /// Its name.
    pub name: String,
    /// Its price.
    pub price: Decimal,
    /// Units that can be reserved.
    pub stock: u32,
}

/// The stage of life of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There is no such product.
    #[default]
    Unknown,
    /// In the range.
    OnSale,
    /// Out of the range.
    Discontinued,
}

#[aggregate(id = ProductId)]
impl Product {
    #[apply]
    fn created(&mut self, event: &ProductCreated) {
        self.status = Status::OnSale;
        self.name.clone_from(&event.name);
        self.price = event.price;
    }

    #[apply]
    fn repriced(&mut self, event: &ProductPriceUpdated) {
        self.price = event.new_price;
    }

    #[apply]
    fn renamed(&mut self, event: &ProductRenamed) {
        self.name.clone_from(&event.new_name);
    }

    #[apply]
    fn discontinued(&mut self, _: &ProductDiscontinued) {
        self.status = Status::Discontinued;
    }

    #[apply]
    fn received(&mut self, event: &StockReceived) {
        self.stock = self.stock.saturating_add(event.units);
    }

    #[apply]
    fn reserved(&mut self, event: &StockReserved) {
        self.stock = self.stock.saturating_sub(event.units);
    }

    #[apply]
    fn released(&mut self, event: &StockReleased) {
        self.stock = self.stock.saturating_add(event.units);
    }
}

// Decisions.

#[command_handler]
fn create_product(cmd: CreateProduct, product: &Product) -> Result<ProductCreated, CatalogError> {
    let CreateProduct {
        product_id,
        name,
        description,
        price,
    } = cmd;
    ensure!(
        product.status == Status::Unknown,
        CatalogError::AlreadyExists(product_id)
    );
    let price = price_for(&product_id, price)?;
    Ok(ProductCreated {
        product_id,
        name,
        description,
        price,
    })
}

/// Setting the current price again records nothing.
#[command_handler]
fn update_product_price(
    cmd: UpdateProductPrice,
    product: &Product,
) -> Result<Option<ProductPriceUpdated>, CatalogError> {
    let UpdateProductPrice {
        product_id,
        new_price,
    } = cmd;
    product.must_be_on_sale(&product_id)?;
    let old_price = product.price;
    let new_price = price_for(&product_id, new_price)?;
    let changes = new_price != old_price;
    Ok(changes.then_some(ProductPriceUpdated {
        product_id,
        old_price,
        new_price,
    }))
}

/// Setting the current name again records nothing.
#[command_handler]
fn rename_product(
    cmd: RenameProduct,
    product: &Product,
) -> Result<Option<ProductRenamed>, CatalogError> {
    let RenameProduct {
        product_id,
        new_name,
    } = cmd;
    product.must_be_on_sale(&product_id)?;
    let changes = new_name != product.name;
    Ok(changes.then_some(ProductRenamed {
        product_id,
        new_name,
    }))
}

#[command_handler]
fn discontinue_product(
    cmd: DiscontinueProduct,
    product: &Product,
) -> Result<ProductDiscontinued, CatalogError> {
    product.must_be_on_sale(&cmd.product_id)?;
    Ok(ProductDiscontinued {
        product_id: cmd.product_id,
        last_price: product.price,
    })
}

#[command_handler]
fn receive_stock(cmd: ReceiveStock, product: &Product) -> Result<StockReceived, CatalogError> {
    let ReceiveStock {
        product_id,
        units: received,
    } = cmd;
    product.must_be_on_sale(&product_id)?;
    ensure!(received > 0, CatalogError::NoUnits(product_id));
    let available = product.stock;
    if available
        .checked_add(received)
        .is_none_or(|stock| stock > MAX_STOCK)
    {
        return Err(CatalogError::TooMuchStock {
            product_id,
            received,
            available,
        });
    }
    Ok(StockReceived {
        product_id,
        units: received,
    })
}

#[command_handler]
fn reserve_stock(
    cmd: ReserveStock,
    product: &Product,
) -> Result<(StockReserved, Option<StockRanLow>), CatalogError> {
    product.reserve(cmd.product_id, cmd.units)
}

impl Product {
    /// Sets units aside. The remaining units of a discontinued product can be reserved, too.
    pub(crate) fn reserve(
        &self,
        product_id: ProductId,
        wanted: u32,
    ) -> Result<(StockReserved, Option<StockRanLow>), CatalogError> {
        ensure!(
            self.status != Status::Unknown,
            CatalogError::NotFound(product_id)
        );
        ensure!(wanted > 0, CatalogError::NoUnits(product_id));
        let available = self.stock;
        let Some(units_left) = available.checked_sub(wanted) else {
            return Err(CatalogError::NotEnoughStock {
                product_id,
                wanted,
                available,
            });
        };
        // Reported once, when the stock falls below the limit.
        let ran_low = (available >= LOW_STOCK && units_left < LOW_STOCK).then(|| StockRanLow {
            product_id: product_id.clone(),
            units_left,
        });
        let units = wanted;
        Ok((StockReserved { product_id, units }, ran_low))
    }

    fn must_be_on_sale(&self, product_id: &ProductId) -> Result<(), CatalogError> {
        match self.status {
            Status::Unknown => Err(CatalogError::NotFound(product_id.clone())),
            Status::OnSale => Ok(()),
            Status::Discontinued => Err(CatalogError::Discontinued(product_id.clone())),
        }
    }
}

/// Checks a price, and gives it two decimals.
fn price_for(product_id: &ProductId, mut price: Decimal) -> Result<Decimal, CatalogError> {
    let fits = price > Decimal::ZERO && price <= MAX_PRICE && price.round_dp(2) == price;
    ensure!(
        fits,
        CatalogError::BadPrice {
            product_id: product_id.clone(),
            price
        }
    );
    price.rescale(2);
    Ok(price)
}
