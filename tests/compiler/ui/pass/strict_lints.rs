//! A crate that forbids what it can.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unused,
    nonstandard_style,
    future_incompatible,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    keyword_idents,
    let_underscore_drop,
    meta_variable_misuse,
    non_ascii_idents,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![allow(unused_crate_dependencies)]

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Opens a shop.
#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(permission = "shops")]
pub struct OpenShop {
    /// Which.
    #[id(Shop)]
    pub shop: String,
}

impl Validate for OpenShop {
    fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// A shop is open.
#[derive(Event, Debug, Serialize, Deserialize, JsonSchema)]
#[event(name = "shop-opened", version = 3, was = ["shop-founded"])]
pub struct ShopOpened {
    /// Which.
    #[id(Shop)]
    pub shop: String,
    /// On which streets.
    #[id(Street, each)]
    pub streets: Vec<String>,
}

#[upcast(event = "shop-opened", from = 1)]
fn opened_v1(old: ShopOpened) -> Option<ShopOpened> {
    Some(old)
}

#[upcast(event = "shop-opened", from = 2)]
fn opened_v2(old: ShopOpened) -> Result<ShopOpened, std::fmt::Error> {
    Ok(old)
}

/// What becomes of a shop.
#[derive(Event, Debug)]
pub enum ShopEvent {
    /// It is open.
    Opened(ShopOpened),
}

/// A shop.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Shop {
    open: bool,
}

#[aggregate(id = String)]
impl Shop {
    #[apply]
    fn opened(&mut self, _: &ShopOpened, _: &Recorded) {
        self.open = true;
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }
}

/// A street, kept as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Street {
    shops: u32,
}

#[aggregate(id = String, storage = "state")]
impl Street {
    #[apply]
    fn opened(&mut self, _: &ShopOpened) {
        self.shops += 1;
    }
}

#[command_handler]
fn open(command: OpenShop, shop: &Shop, _: &Context) -> Result<Option<ShopEvent>, Rejected> {
    ensure!(!shop.is_open(), "is open");
    let streets = vec!["Main".into()];
    let shop = command.shop;
    Ok(Some(ShopEvent::Opened(ShopOpened { shop, streets })))
}

/// A shop, to be shown.
#[derive(ReadModel, Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShopView {
    /// Which.
    #[key]
    pub shop: String,
    #[index]
    number: i64,
}

/// Keeps the views.
#[derive(Debug)]
pub struct Shops;

#[projection(name = "shops", version = 1)]
impl Shops {
    #[on]
    async fn opened(event: &ShopOpened, _: &Recorded, views: &mut Views<ShopView>) -> Result<()> {
        let shop = event.shop.clone();
        views.put(ShopView { shop, number: 1 });
        Ok(())
    }
}

/// Asks for shops with a number.
#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = u64, permission = "shops")]
pub struct CountShops {
    /// Which.
    pub number: i64,
}

#[query_handler]
async fn count(query: CountShops, views: Read<ShopView>) -> Result<u64> {
    views.find().eq(ShopView::NUMBER, &query.number).count().await
}

#[event_handler(start = "now")]
async fn react(_: ShopOpened, recorded: &Recorded) -> Result<()> {
    assert!(recorded.position > Position::START);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().module(module()).store(Memory::new());
    let app = app.authorizer(AllowAll).build().await?;
    let receipt = app.execute(OpenShop { shop: "corner".into() }).await?;
    assert_eq!(app.query(CountShops { number: 1 }).after(&receipt).await?, 1);
    assert_eq!(app.state::<Street>(&"Main".into()).await?.shops, 1);
    Ok(())
}
