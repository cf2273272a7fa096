//! Lifetimes that are written out.
#![allow(clippy::needless_lifetimes, clippy::extra_unused_lifetimes)]

use std::sync::Arc;

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct OpenShop {
    #[id(Shop)]
    shop: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct CloseShop {
    #[id(Shop)]
    shop: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "shop-opened", version = 1)]
struct ShopOpened {
    #[id(Shop)]
    shop: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "shop-closed", version = 1)]
struct ShopClosed {
    #[id(Shop)]
    shop: String,
}

#[derive(Default)]
struct Shop {
    open: bool,
}

#[aggregate(id = String)]
impl Shop {
    #[apply]
    fn opened<'s, 'e>(&'s mut self, _: &'e ShopOpened, _: &'e Recorded) {
        self.open = true;
    }

    #[apply]
    fn closed(&mut self, _: &'_ ShopClosed) {
        self.open = false;
    }
}

trait Bell<'b>: Send + Sync {
    fn ring(&self, at: &'b str) -> &'b str;
}

struct Loud;

impl<'b> Bell<'b> for Loud {
    fn ring(&self, at: &'b str) -> &'b str {
        at
    }
}

#[command_handler]
fn open<'a, 'b: 'a>(
    command: OpenShop,
    shop: &'a Shop,
    context: &'b Context,
    bell: Service<dyn for<'c> Bell<'c> + 'static>,
) -> Result<Option<ShopOpened>, Rejected>
where
    'a: 'a,
{
    assert!(context.command().is_some());
    assert_eq!(bell.ring("door"), "door");
    Ok((!shop.open).then_some(ShopOpened { shop: command.shop }))
}

#[command_handler]
async fn close<'a>(
    command: CloseShop,
    shop: &'a Shop,
    context: &'a Context,
) -> Result<Option<ShopClosed>, CommandError<Rejected>> {
    assert!(context.actor().is_none());
    Ok(shop.open.then_some(ShopClosed { shop: command.shop }))
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ShopView {
    #[key]
    shop: String,
    open: bool,
}

struct Shops;

#[projection(name = "shops", version = 1)]
impl Shops {
    #[on]
    async fn opened<'a>(
        event: &'a ShopOpened,
        _: &'a Recorded,
        views: &'a mut Views<ShopView>,
    ) -> Result<()> {
        let shop = event.shop.clone();
        views.put(ShopView { shop, open: true });
        Ok(())
    }

    #[on]
    fn closed<'e, 'v>(event: &'e ShopClosed, views: &'v mut Views<ShopView>) -> Result<()> {
        views.update(&event.shop, |view| view.open = false)?;
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<bool>)]
struct IsOpen {
    shop: String,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = &'static str)]
struct Greeting;

#[query_handler]
async fn is_open<'a>(
    query: IsOpen,
    views: Read<ShopView>,
    _: &'a Context,
) -> Result<Option<bool>> {
    Ok(views.get(&query.shop).await?.map(|view| view.open))
}

#[query_handler]
fn greeting<'a>(_: Greeting, _: &'a Context) -> &'static str {
    "Hello"
}

#[event_handler]
async fn react<'a>(_: ShopOpened, recorded: &'a Recorded, _: &'a Dispatcher) -> Result<()> {
    assert_eq!(recorded.data.version, 1);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new());
    let app = app.provide::<dyn for<'c> Bell<'c>>(Arc::new(Loud)).build().await?;
    let shop = String::from("corner");
    app.execute(OpenShop { shop: shop.clone() }).await?;
    let receipt = app.execute(CloseShop { shop: shop.clone() }).await?;
    assert_eq!(app.query(IsOpen { shop }).after(&receipt).await?, Some(false));
    assert_eq!(app.query(Greeting).await?, "Hello");
    Ok(())
}
