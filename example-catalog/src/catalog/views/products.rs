use std::ops::Bound;

use cqrs_core::prelude::*;
use cqrs_core::views::Page;
use rust_decimal::Decimal;

use super::ProductCard;
use crate::ProductId;
use crate::catalog::paging;

/// Returns the product with an id, if it exists.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Option<ProductCard>, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct GetProductById {
    /// The product.
    pub product_id: ProductId,
}

/// Returns all products, page by page.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Page<ProductCard>, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct GetAllProducts {
    /// Sort order.
    #[serde(default)]
    pub sort: SortBy,
    /// Whether to sort in descending order.
    #[serde(default)]
    pub descending: bool,
    /// Number of the page, from 1.
    #[serde(default = "paging::first_page")]
    pub page: u32,
    /// Number of products per page.
    #[serde(default = "paging::usual_page_size")]
    pub page_size: u32,
}

/// A sort order of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// By id.
    #[default]
    Id,
    /// By name.
    Name,
    /// By price.
    Price,
    /// By time of the last change.
    LastUpdated,
}

/// Returns the products with a text in their name or description and a price in a range, cheapest
/// first.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Page<ProductCard>, permission = "catalog:read")]
#[serde(deny_unknown_fields)]
pub struct FindProducts {
    /// The text; case is ignored.
    #[serde(default)]
    pub text: String,
    /// The lowest price.
    #[serde(default)]
    pub min_price: Option<Decimal>,
    /// The highest price.
    #[serde(default)]
    pub max_price: Option<Decimal>,
    /// Number of the page, from 1.
    #[serde(default = "paging::first_page")]
    pub page: u32,
    /// Number of products per page.
    #[serde(default = "paging::usual_page_size")]
    pub page_size: u32,
}

impl Default for GetAllProducts {
    fn default() -> Self {
        let (page, page_size) = (paging::first_page(), paging::usual_page_size());
        Self {
            sort: SortBy::default(),
            descending: false,
            page,
            page_size,
        }
    }
}

impl Validate for GetAllProducts {
    fn validate(&self) -> Result<(), Invalid> {
        paging::check(self.page, self.page_size)
    }
}

impl Validate for FindProducts {
    fn validate(&self) -> Result<(), Invalid> {
        if let (Some(min), Some(max)) = (self.min_price, self.max_price) {
            ensure!(
                min <= max,
                Invalid::field(
                    "max_price",
                    format!("{max} is below the lowest price, {min}")
                )
            );
        }
        paging::check(self.page, self.page_size)
    }
}

#[query_handler]
async fn product_by_id(
    query: GetProductById,
    cards: Read<ProductCard>,
) -> Result<Option<ProductCard>> {
    cards.get(&query.product_id).await
}

#[query_handler]
async fn all_products(
    query: GetAllProducts,
    cards: Read<ProductCard>,
) -> Result<Page<ProductCard>> {
    let GetAllProducts {
        sort,
        descending,
        page,
        page_size,
    } = query;
    let mut found = match sort {
        SortBy::Id => cards.find(),
        SortBy::Name => cards.find().order_by(ProductCard::NAME),
        SortBy::Price => cards.find().order_by(ProductCard::PRICE),
        SortBy::LastUpdated => cards.find().order_by(ProductCard::LAST_UPDATED),
    };
    if descending {
        found = found.descending();
    }
    found
        .skip(paging::before(page, page_size))
        .take(page_size.into())
        .page()
        .await
}

#[query_handler]
async fn find_products(query: FindProducts, cards: Read<ProductCard>) -> Result<Page<ProductCard>> {
    let FindProducts {
        text,
        min_price,
        max_price,
        page,
        page_size,
    } = query;
    let from = min_price.map_or(Bound::Unbounded, Bound::Included);
    let to = max_price.map_or(Bound::Unbounded, Bound::Included);
    let mut found = cards
        .find()
        .range(ProductCard::PRICE, (from, to))
        .order_by(ProductCard::PRICE);
    if !text.is_empty() {
        let text = text.to_lowercase();
        found = found.filter(move |card| {
            let has = |field: &str| field.to_lowercase().contains(&text);
            has(&card.name) || has(&card.description)
        });
    }
    found
        .skip(paging::before(page, page_size))
        .take(page_size.into())
        .page()
        .await
}
