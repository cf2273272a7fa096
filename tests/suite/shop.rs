//! A shop with orders, from commands to queries, on every store.

use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::BoxFuture;
use rust_decimal::Decimal;
use tokio::sync::mpsc;

use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ProductId(pub String);

impl std::fmt::Display for ProductId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("product {0} exists already")]
    AlreadyExists(ProductId),
    #[error("there is no product {0}")]
    Unknown(ProductId),
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

#[derive(Command, Clone, Serialize, Deserialize, JsonSchema)]
#[command(error = CatalogError, permission = "catalog:write")]
pub struct UpdateProductPrice {
    #[id(Product)]
    pub product_id: ProductId,
    pub new_price: Decimal,
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

#[command_handler]
async fn update_price(
    cmd: UpdateProductPrice,
    product: &Product,
) -> Result<Option<ProductPriceUpdated>, CatalogError> {
    ensure!(product.exists, CatalogError::Unknown(cmd.product_id));
    let UpdateProductPrice {
        product_id,
        new_price,
    } = cmd;
    Ok((product.price != new_price).then_some(ProductPriceUpdated {
        product_id,
        new_price,
    }))
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

struct Outbox(mpsc::UnboundedSender<String>);

impl Mailer for Outbox {
    fn announce<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Ok(self.0.send(name.to_owned())?) })
    }
}

#[event_handler]
async fn announce(event: ProductCreated, mailer: Service<dyn Mailer>) -> Result<()> {
    mailer.announce(&event.name).await
}

#[tokio::test]
async fn a_client_reads_its_own_write_and_the_mail_goes_out() {
    let price = |text: &str| text.parse::<Decimal>().expect("a price");
    let (outbox, mails) = mpsc::unbounded_channel();
    let mails = Arc::new(tokio::sync::Mutex::new(mails));
    let with_mailer = |builder: Builder| {
        let mailer = Arc::new(Outbox(outbox.clone()));
        builder.provide::<dyn Mailer>(mailer).authorizer(AllowAll)
    };
    on_each_with(module(), with_mailer, |app| {
        let mails = mails.clone();
        async move {
            let product_id = ProductId("P001".into());
            let create = CreateProduct {
                product_id: product_id.clone(),
                name: "Laptop Pro".into(),
                description: "High-performance laptop".into(),
                price: price("1200.00"),
            };
            app.execute(create.clone()).await.expect("creates");
            let update = UpdateProductPrice {
                product_id: product_id.clone(),
                new_price: price("1150.00"),
            };
            let receipt = app.execute(update).await.expect("updates");
            let query = GetProductById {
                product_id: product_id.clone(),
            };
            let view = app.query(query).after(&receipt).await.expect("answers");
            let view = view.expect("is there");
            assert_eq!(
                (&*view.name, view.current_price),
                ("Laptop Pro", price("1150.00"))
            );
            let again = app.execute(create).await.expect_err("is rejected");
            assert_eq!(
                again.rejected(),
                Some(CatalogError::AlreadyExists(product_id))
            );
            assert_eq!(
                mails.lock().await.recv().await.as_deref(),
                Some("Laptop Pro")
            );
        }
    })
    .await;
}

#[test]
fn a_command_handler_is_a_plain_function() {
    let create = CreateProduct {
        product_id: ProductId("P001".into()),
        name: "Laptop Pro".into(),
        description: String::new(),
        price: Decimal::ONE,
    };
    let created = create_product(create, &Product::default()).expect("is decided");
    assert_eq!(created.price, Decimal::ONE);
}
