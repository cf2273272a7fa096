//! The framework under another name, at three places.

mod framework {
    pub use ::cqrs_core::*;
}

mod company {
    pub mod inner {
        pub use ::cqrs_core as cqrs;
    }
}

/// What the macros would find if they did not take the path that they are given.
mod cqrs_core {}

use serde::{Deserialize, Serialize};

#[derive(framework::Command, Clone, Serialize, Deserialize)]
#[command(crate = "crate::framework")]
struct OpenShop {
    #[id(Shop)]
    shop: String,
}

#[derive(framework::Event, Serialize, Deserialize)]
#[event(name = "shop-opened", version = 1, crate = "company::inner::cqrs")]
struct ShopOpened {
    #[id(Shop)]
    shop: String,
}

#[derive(framework::Event)]
#[event(crate = crate::framework)]
enum ShopEvent {
    Opened(ShopOpened),
}

#[derive(Default, Serialize, Deserialize)]
struct Shop {
    open: bool,
}

#[framework::aggregate(id = String, storage = "state", crate = "framework")]
impl Shop {
    #[apply]
    fn opened(&mut self, _: &ShopOpened) {
        self.open = true;
    }
}

#[framework::command_handler(crate = "self::framework")]
async fn open(command: OpenShop, shop: &Shop) -> ShopEvent {
    ::std::assert!(!shop.open);
    ShopEvent::Opened(ShopOpened { shop: command.shop })
}

#[derive(framework::ReadModel, Clone, Serialize, Deserialize)]
#[read_model(crate = "framework")]
struct ShopView {
    #[key]
    shop: String,
    #[index]
    number: u8,
}

struct Shops;

#[framework::projection(name = "shops", version = 1, crate = "framework")]
impl Shops {
    #[on]
    fn opened(event: &ShopOpened, views: &mut framework::Views<ShopView>) {
        let shop = Clone::clone(&event.shop);
        views.put(ShopView { shop, number: 1 });
    }
}

#[derive(framework::Query, Clone, Serialize, Deserialize)]
#[query(returns = u64, crate = "framework")]
struct CountShops;

#[framework::query_handler(crate = "framework")]
async fn count(_: CountShops, views: framework::Read<ShopView>) -> framework::Result<u64> {
    views.find().eq(ShopView::NUMBER, &1).count().await
}

#[framework::event_handler(crate = "framework")]
async fn react(_: ShopOpened, _: &framework::Recorded) {}

fn main() {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let app = framework::Dispatcher::builder().store(framework::Memory::new());
        let app = app.build().await.expect("builds");
        let shop = ::std::convert::From::from("corner");
        let receipt = app.execute(OpenShop { shop }).await.expect("opens");
        let count = app.query(CountShops).after(&receipt).await.expect("answers");
        ::std::assert_eq!(count, 1);
    });
}
