//! Messages and handlers inside modules, functions, blocks and constants.

mod shop {
    pub mod messages {
        use cqrs_core::prelude::*;

        #[derive(Command, Clone, Serialize, Deserialize)]
        pub struct OpenShop {
            #[id(Shop)]
            pub shop: String,
        }

        #[derive(Event, Serialize, Deserialize)]
        #[event(name = "shop-opened", version = 1)]
        pub struct ShopOpened {
            #[id(Shop)]
            pub shop: String,
        }
    }

    mod state {
        use cqrs_core::aggregate;

        #[derive(Default)]
        pub struct Shop {
            pub open: bool,
        }

        const _: () = {
            use super::messages::ShopOpened;

            #[aggregate(id = String)]
            impl Shop {
                #[apply]
                fn opened(&mut self, _: &ShopOpened) {
                    self.open = true;
                }
            }
        };
    }

    pub mod deep {
        pub mod er {
            #[cqrs_core::command_handler]
            pub fn open(
                command: super::super::messages::OpenShop,
                shop: &crate::shop::state::Shop,
            ) -> Option<crate::shop::messages::ShopOpened> {
                use super::super::messages::ShopOpened;

                let super::super::messages::OpenShop { shop: name } = command;
                (!shop.open).then_some(ShopOpened { shop: name })
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> cqrs_core::Result<()> {
    use cqrs_core::prelude::*;
    use shop::messages::ShopOpened;

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    struct CountShops;

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    struct ShopView {
        #[key]
        shop: String,
        #[index]
        letters: u64,
    }

    struct Shops;

    #[projection(name = "shops", version = 1)]
    impl Shops {
        #[on]
        fn opened(event: &ShopOpened, views: &mut Views<ShopView>) {
            let shop = event.shop.clone();
            views.put(ShopView { letters: shop.len() as u64, shop });
        }
    }

    #[query_handler]
    async fn count(_: CountShops, views: Read<ShopView>) -> Result<u64> {
        views.find().range(ShopView::LETTERS, 1..).count().await
    }

    {
        #[event_handler]
        async fn react(_: ShopOpened) {}

        #[derive(Command, Clone, Serialize, Deserialize)]
        struct CloseShop {
            #[id(Door)]
            number: u8,
        }

        #[derive(Event, Serialize, Deserialize)]
        #[event(name = "door-closed", version = 1)]
        struct DoorClosed {
            #[id(Door)]
            number: u8,
        }

        #[derive(Default)]
        struct Door(bool);

        #[aggregate(id = u8)]
        impl Door {
            #[apply]
            fn closed(&mut self, _: &DoorClosed) {
                self.0 = true;
            }
        }

        #[command_handler]
        async fn close(CloseShop { number }: CloseShop, door: &Door) -> Option<DoorClosed> {
            (!door.0).then_some(DoorClosed { number })
        }

        let app = Dispatcher::builder().store(Memory::new()).build().await?;
        assert_eq!(app.execute(CloseShop { number: 1 }).await?.events(), 1);
        assert_eq!(app.execute(CloseShop { number: 1 }).await?.events(), 0);
    }

    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    let open = shop::messages::OpenShop { shop: "corner".into() };
    let receipt = app.execute(open.clone()).await?;
    assert_eq!(app.execute(open.clone()).await?.events(), 0);
    assert_eq!(app.query(CountShops).after(&receipt).await?, 1);
    // A handler is a plain function wherever it stands.
    assert!(shop::deep::er::open(open, &Default::default()).is_some());
    Ok(())
}
