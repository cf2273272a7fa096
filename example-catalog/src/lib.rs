#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod catalog;
pub mod checkout;
pub mod checkout_by_reactions;
pub mod orders;
pub mod sales;

pub use catalog::{
    BadProductId, CatalogError, CatalogStatistics, CatalogTotals, CreateProduct,
    DiscontinueProduct, FindProducts, GetAllProducts, GetCatalogStatistics, GetPriceHistory,
    GetProductById, MAX_PRICE, MAX_STOCK, Notifier, PricePeriod, PricePoint, Product, ProductCard,
    ProductCards, ProductCreated, ProductDiscontinued, ProductId, ProductPriceUpdated,
    ProductRenamed, ReceiveStock, RenameProduct, ReserveStock, SortBy, Statistics, Status,
    StockRanLow, StockReceived, StockReleased, StockReserved, UpdateProductPrice, module,
};
