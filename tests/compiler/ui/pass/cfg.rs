//! Methods, handlers, messages and fields that are there at times only.
#![allow(unexpected_cfgs)]

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct OpenShop {
    #[id(Shop)]
    shop: String,
    #[cfg(never)]
    #[id(Nothing)]
    nothing: Missing,
}

#[cfg(never)]
#[derive(Command, Clone, Serialize, Deserialize)]
struct CloseShop {
    missing: Missing,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "shop-opened", version = 1)]
struct ShopOpened {
    #[id(Shop)]
    shop: String,
}

#[derive(Event)]
enum ShopEvent {
    Opened(ShopOpened),
    #[cfg(never)]
    Missing(Missing),
}

#[derive(Default)]
struct Shop {
    open: bool,
}

#[aggregate(id = String)]
impl Shop {
    #[cfg(not(never))]
    #[apply]
    fn opened(&mut self, _: &ShopOpened) {
        self.open = true;
    }

    #[apply]
    #[cfg(never)]
    fn opened(&mut self, _: &ShopOpened) {}

    #[apply]
    #[cfg(never)]
    fn missing(&mut self, _: &Missing) {}

    #[cfg(never)]
    fn helper(&self) -> Missing {}
}

#[command_handler]
#[cfg(not(never))]
fn open(command: OpenShop, shop: &Shop) -> Option<ShopEvent> {
    let opened = ShopOpened { shop: command.shop };
    (!shop.open).then_some(ShopEvent::Opened(opened))
}

#[cfg(never)]
#[command_handler]
fn open(command: OpenShop, shop: &Missing) {}

#[cfg_attr(not(never), event_handler)]
fn react(_: ShopOpened) {}

#[cfg_attr(never, event_handler)]
#[allow(dead_code)]
fn not_a_handler(_: String) {}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ShopView {
    #[key]
    shop: String,
    #[cfg(never)]
    #[index]
    missing: Missing,
}

struct Shops;

#[projection(name = "shops", version = 1)]
impl Shops {
    #[on]
    #[cfg(not(never))]
    fn opened(event: &ShopOpened, views: &mut Views<ShopView>) {
        let shop = event.shop.clone();
        views.put(ShopView { shop });
    }

    #[on]
    #[cfg(never)]
    fn opened(event: &ShopOpened, views: &mut Views<Missing>) {}

    #[cfg(never)]
    #[on]
    fn missing(event: &Missing) {}
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct CountShops;

#[query_handler]
async fn count(_: CountShops, views: Read<ShopView>) -> Result<u64> {
    views.count().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    let open = OpenShop { shop: "corner".into() };
    let receipt = app.execute(open.clone()).await?;
    assert_eq!(receipt.events(), 1);
    assert_eq!(app.execute(open).await?.events(), 0);
    assert_eq!(app.query(CountShops).after(&receipt).await?, 1);
    Ok(())
}
