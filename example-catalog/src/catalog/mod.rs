//! The catalog itself, which runs on any store.

mod commands;
mod error;
mod low_stock;
mod paging;
mod product;
mod product_id;
mod views;

pub use commands::{
    CreateProduct, DiscontinueProduct, ReceiveStock, RenameProduct, ReserveStock,
    UpdateProductPrice,
};
pub use error::CatalogError;
pub use low_stock::Notifier;
pub use product::{
    MAX_PRICE, MAX_STOCK, Product, ProductCreated, ProductDiscontinued, ProductPriceUpdated,
    ProductRenamed, Status, StockRanLow, StockReceived, StockReleased, StockReserved,
};
pub use product_id::{BadProductId, ProductId};
pub use views::{
    CatalogStatistics, CatalogTotals, FindProducts, GetAllProducts, GetCatalogStatistics,
    GetPriceHistory, GetProductById, PricePeriod, PricePoint, ProductCard, ProductCards, SortBy,
    Statistics,
};

cqrs_core::module!();
