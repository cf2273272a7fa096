//! The read side: each file has a read model, its projection, and its queries.

mod price_history;
mod product_card;
mod products;
mod statistics;

pub use price_history::{GetPriceHistory, PricePeriod, PricePoint};
pub use product_card::{ProductCard, ProductCards};
pub use products::{FindProducts, GetAllProducts, GetProductById, SortBy};
pub use statistics::{CatalogStatistics, CatalogTotals, GetCatalogStatistics, Statistics};
