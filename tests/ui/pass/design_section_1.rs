//! All that section 1 of the design shows, as it stands there.

use std::sync::{Arc, Mutex};

use cqrs_core::prelude::*;
use cqrs_core::store::BoxFuture;
use rust_decimal::Decimal;

#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct ProductId(pub String);

impl std::fmt::Display for ProductId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum CatalogError {
    #[error("product {0} exists already")]
    AlreadyExists(ProductId),
}

/// Adds a product to the catalog.
#[derive(Command, Clone, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
pub struct CreateProduct {
    #[id(Product)]
    pub product_id: ProductId,
    pub name: String,
    pub description: String,
    pub price: Decimal,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "product-created", version = 1)]
pub struct ProductCreated {
    #[id(Product)]
    pub product_id: ProductId,
    pub name: String,
    pub description: String,
    pub price: Decimal,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "product-price-updated", version = 1)]
pub struct ProductPriceUpdated {
    #[id(Product)]
    pub product_id: ProductId,
    pub new_price: Decimal,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Product {
    exists: bool,
    price: Decimal,
}

#[aggregate(id = ProductId)]
impl Product {
    #[apply]
    fn created(&mut self, event: &ProductCreated) {
        self.exists = true;
        self.price = event.price;
    }
    #[apply]
    fn repriced(&mut self, event: &ProductPriceUpdated) {
        self.price = event.new_price;
    }
}

#[command_handler]
fn create_product(cmd: CreateProduct, product: &Product) -> Result<ProductCreated, CatalogError> {
    ensure!(!product.exists, CatalogError::AlreadyExists(cmd.product_id));
    Ok(ProductCreated {
        product_id: cmd.product_id,
        name: cmd.name,
        description: cmd.description,
        price: cmd.price,
    })
}

#[derive(ReadModel, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProductView {
    #[key]
    pub id: ProductId,
    pub name: String,
    #[index]
    pub current_price: Decimal,
    pub last_updated: Timestamp,
}

pub struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created(
        event: &ProductCreated,
        recorded: &Recorded,
        views: &mut Views<ProductView>,
    ) -> Result<()> {
        views.put(ProductView {
            id: event.product_id.clone(),
            name: event.name.clone(),
            current_price: event.price,
            last_updated: recorded.meta.time,
        });
        Ok(())
    }
    #[on]
    fn repriced(
        event: &ProductPriceUpdated,
        recorded: &Recorded,
        views: &mut Views<ProductView>,
    ) -> Result<()> {
        views.update(&event.product_id, |view| {
            view.current_price = event.new_price;
            view.last_updated = recorded.meta.time;
        })?;
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize, JsonSchema)]
#[query(returns = Option<ProductView>, permission = "catalog:read")]
pub struct GetProductById {
    pub product_id: ProductId,
}

#[query_handler]
async fn product_by_id(
    query: GetProductById,
    views: Read<ProductView>,
) -> Result<Option<ProductView>> {
    views.get(&query.product_id).await
}

pub trait Mailer: Send + Sync {
    fn announce<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>>;
}

#[event_handler]
async fn announce(event: ProductCreated, mailer: Service<dyn Mailer>) -> Result<()> {
    mailer.announce(&event.name).await
}

#[derive(Default)]
struct Outbox(Mutex<Vec<String>>);

impl Mailer for Outbox {
    fn announce<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.lock().expect("is whole").push(name.to_owned());
            Ok(())
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mailer = Arc::new(Outbox::default());
    let app = Dispatcher::builder()
        .store(Memory::new())
        .provide::<dyn Mailer>(mailer.clone())
        .authorizer(AllowAll)
        .build()
        .await?;
    let product_id = ProductId("P001".into());
    let create = CreateProduct {
        product_id: product_id.clone(),
        name: "Laptop Pro".into(),
        description: "High-performance laptop".into(),
        price: Decimal::new(1200_00, 2),
    };
    let receipt = app.execute(create.clone()).await?;
    let view = app.query(GetProductById { product_id }).after(&receipt).await?;
    assert_eq!(view.map(|view| view.name).as_deref(), Some("Laptop Pro"));
    let again = create_product(create, &Product { exists: true, ..Product::default() });
    assert!(matches!(again, Err(CatalogError::AlreadyExists(_))));
    app.wait_until_caught_up(receipt.last(), std::time::Duration::from_secs(5)).await?;
    assert_eq!(*mailer.0.lock().expect("is whole"), ["Laptop Pro"]);
    Ok(())
}
