//! Two aggregates of one name, in modules of which each has its own dispatcher on one store: they
//! share the tags of their events and the key of their stored states, and nothing else.

use cqrs_core::prelude::*;

use crate::support::stores::on_each;

/// A module with an aggregate, whose `impl` blocks are the same to the letter.
macro_rules! shelves {
    ($name:ident, $event:literal) => {
        pub mod $name {
            use cqrs_core::prelude::*;

            cqrs_core::module!();

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Add {
                #[id(Shelf)]
                pub shelf: u32,
                #[id(Rack)]
                pub rack: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = $event, version = 1)]
            pub struct Added {
                #[id(Shelf)]
                pub shelf: u32,
                #[id(Rack)]
                pub rack: u32,
                /// As the decision counted them before this one.
                pub on_shelf: u32,
                pub on_rack: u32,
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct Shelf {
                pub count: u32,
            }

            #[aggregate(id = u32, storage = "state")]
            impl Shelf {
                #[apply]
                fn added(&mut self, _: &Added) {
                    self.count += 1;
                }
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct Rack {
                pub count: u32,
            }

            #[aggregate(id = u32, snapshot_every = 1)]
            impl Rack {
                #[apply]
                fn added(&mut self, _: &Added) {
                    self.count += 1;
                }
            }

            #[command_handler]
            fn add(command: Add, shelf: &Shelf, rack: &Rack) -> Added {
                Added {
                    shelf: command.shelf,
                    rack: command.rack,
                    on_shelf: shelf.count,
                    on_rack: rack.count,
                }
            }

            /// What each decision counted.
            pub async fn counts(app: &Dispatcher) -> Vec<(u32, u32)> {
                let events = app.history::<Shelf>(&1).all().await.expect("reads");
                events
                    .iter()
                    .filter(|event| event.data.event_type.as_str() == $event)
                    .map(|event| event.decode::<Added>().expect("is one"))
                    .map(|added| (added.on_shelf, added.on_rack))
                    .collect()
            }
        }
    };
}

shelves!(library, "added-in-library");
shelves!(shop, "added-in-shop");

#[tokio::test]
async fn a_stored_state_is_not_taken_for_that_of_another_type_with_its_name() {
    on_each(library::module(), |library| async move {
        let builder = Dispatcher::builder().module(shop::module()).state_cache(0);
        let shop = builder.stores_of(&library).build().await;
        let shop = shop.expect("builds");
        for _ in 0..3 {
            let add = library::Add { shelf: 1, rack: 1 };
            library.execute(add).await.expect("adds");
            let add = shop::Add { shelf: 1, rack: 1 };
            shop.execute(add).await.expect("adds");
        }
        let each = [(0, 0), (1, 1), (2, 2)];
        assert_eq!(library::counts(&library).await, each);
        assert_eq!(shop::counts(&shop).await, each);
        assert_eq!(
            library
                .state::<library::Shelf>(&1)
                .await
                .expect("reads")
                .count,
            3
        );
        assert_eq!(shop.state::<shop::Rack>(&1).await.expect("reads").count, 3);
    })
    .await;
}
