//! Parameters that take their values apart, or ignore them.

use std::sync::Arc;

use cqrs_core::prelude::*;
use cqrs_core::store::EventData;

#[derive(Clone, Serialize, Deserialize)]
struct Place {
    street: String,
    number: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct OpenShop {
    #[id(Shop)]
    shop: String,
    place: Place,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "shop-opened", version = 1)]
struct ShopOpened {
    #[id(Shop)]
    shop: String,
    number: u32,
}

#[derive(Default)]
struct Shop {
    open: bool,
    number: u32,
}

#[aggregate(id = String)]
impl Shop {
    #[apply]
    fn opened(&mut self, &ShopOpened { number, .. }: &ShopOpened, Recorded { data: EventData { version, .. }, .. }: &Recorded) {
        (self.open, self.number) = (true, number + version);
    }
}

struct Limit(u32);

#[command_handler]
fn open(
    OpenShop {
        shop,
        place: Place { mut number, street: _ },
    }: OpenShop,
    &Shop { open, number: before }: &Shop,
    _: &Context,
    mut limit: Service<Limit>,
) -> (Option<ShopOpened>, ()) {
    limit = limit.clone();
    number = number.min(limit.0) + before;
    ((!open).then_some(ShopOpened { shop, number }), ())
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ShopView {
    #[key]
    shop: String,
    number: u32,
}

struct Shops;

#[projection(name = "shops", version = 1)]
impl Shops {
    #[on]
    fn opened(
        ShopOpened { shop, number }: &ShopOpened,
        _: &Recorded,
        views: &mut Views<ShopView>,
    ) {
        views.put(ShopView { shop: shop.clone(), number: *number });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct NumberOf {
    shop: String,
}

#[query_handler]
async fn number_of(NumberOf { ref shop }: NumberOf, views: Read<ShopView>) -> Result<u32> {
    let Some(ShopView { number, .. }) = views.get(shop).await? else {
        return Ok(0);
    };
    Ok(number)
}

#[event_handler]
async fn react(ShopOpened { mut shop, .. }: ShopOpened, &Recorded { data: EventData { version, .. }, .. }: &Recorded) {
    shop.push('!');
    assert_eq!((&*shop, version), ("corner!", 1));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new());
    let app = app.provide(Arc::new(Limit(7))).build().await?;
    let place = Place { street: "Main".into(), number: 9 };
    let receipt = app.execute(OpenShop { shop: "corner".into(), place }).await?;
    let query = NumberOf { shop: "corner".into() };
    assert_eq!(app.query(query).after(&receipt).await?, 7);
    assert_eq!(app.state::<Shop>(&"corner".into()).await?.number, 8);
    Ok(())
}
