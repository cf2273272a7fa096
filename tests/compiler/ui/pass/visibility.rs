//! Items that are seen by some only.

mod shop {
    use cqrs_core::prelude::*;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub(crate) struct OpenShop {
        #[id(Shop)]
        pub(super) shop: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "shop-opened", version = 1)]
    pub(in crate::shop) struct ShopOpened {
        #[id(Shop)]
        shop: String,
    }

    #[derive(Event)]
    enum ShopEvent {
        Opened(ShopOpened),
    }

    #[derive(Default)]
    pub(super) struct Shop {
        pub(super) open: bool,
    }

    #[aggregate(id = String)]
    impl Shop {
        #[apply]
        pub(self) fn opened(&mut self, _: &ShopOpened) {
            self.open = true;
        }
    }

    #[command_handler]
    pub(in crate::shop) async fn open(command: OpenShop, shop: &Shop) -> Option<ShopEvent> {
        let opened = ShopOpened { shop: command.shop };
        (!shop.open).then_some(ShopEvent::Opened(opened))
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub(crate) struct ShopView {
        #[key]
        shop: String,
        #[index]
        pub(super) letters: u64,
    }

    struct Shops;

    #[projection(name = "shops", version = 1)]
    impl Shops {
        #[on]
        pub(crate) fn opened(event: &ShopOpened, views: &mut Views<ShopView>) {
            let shop = event.shop.clone();
            views.put(ShopView { letters: shop.len() as u64, shop });
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<ShopView>)]
    pub(super) struct AllShops;

    #[query_handler]
    pub(super) async fn all(_: AllShops, views: Read<ShopView>) -> Result<Vec<ShopView>> {
        views.find().order_by(ShopView::LETTERS).all().await
    }

    #[event_handler]
    pub(in crate::shop) fn react(_: ShopOpened) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> cqrs_core::Result<()> {
    let app = cqrs_core::Dispatcher::builder().store(cqrs_core::Memory::new()).build().await?;
    let shop = String::from("corner");
    let receipt = app.execute(shop::OpenShop { shop: shop.clone() }).await?;
    let shops = app.query(shop::AllShops).after(&receipt).await?;
    assert_eq!(shops[0].letters, 6);
    assert!(app.state::<shop::Shop>(&shop).await?.open);
    // The constant of an index is seen as far as its field.
    let _ = shop::ShopView::LETTERS;
    Ok(())
}
