//! The names that the standard library puts everywhere mean something else here.
#![allow(dead_code, unused_macros)]

use cqrs_core::prelude::{
    Command, Event, Query, Read, ReadModel, Recorded, Service, Views, aggregate, command_handler,
    event_handler, projection, query_handler,
};
use serde::{Deserialize, Serialize};

mod shadows {
    pub struct Result;
    pub struct Option;
    pub struct Vec;
    pub struct Box;
    pub struct String;
    pub enum Mine {
        Some,
        None,
        Ok,
        Err,
    }
    pub use Mine::{Err, None, Ok, Some};
    pub trait Clone {}
    pub trait Default {}
    pub trait Send {}
    pub trait Sync {}
    pub trait FnOnce {}
    pub trait IntoIterator {}
    pub trait From {}
    pub trait Into {}
    pub trait ToString {}
}

#[allow(unused_imports)]
use shadows::*;
// An import of one's own goes before the glob.
#[allow(unused_imports)]
use shadows::{Box, Err, None, Ok, Option, Result, Some, String, Vec};

#[allow(non_camel_case_types)]
mod primitives {
    pub struct str;
    pub struct u32;
    pub struct u64;
    pub struct usize;
    pub struct bool;
}

macro_rules! vec {
    ($($tokens:tt)*) => { compile_error!("not the one of std") };
}
macro_rules! line {
    () => { compile_error!("not the one of std") };
}
macro_rules! file {
    () => { compile_error!("not the one of std") };
}
macro_rules! module_path {
    () => { compile_error!("not the one of std") };
}

type Text = std::string::String;

mod messages {
    use super::*;

    #[derive(Command, std::clone::Clone, Serialize, Deserialize)]
    pub struct OpenShop {
        #[id(Shop)]
        pub shop: Text,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "shop-opened", version = 1)]
    pub struct ShopOpened {
        #[id(Shop)]
        pub shop: Text,
        #[id(Street, each)]
        pub streets: std::vec::Vec<Text>,
    }

    #[derive(Event)]
    pub enum ShopEvent {
        Opened(ShopOpened),
    }

    #[derive(Query, std::clone::Clone, Serialize, Deserialize)]
    #[query(returns = i64)]
    pub struct CountShops;

    #[derive(Query, std::clone::Clone, Serialize, Deserialize)]
    #[query(returns = i64)]
    pub struct Another;

    #[derive(std::default::Default, Serialize, Deserialize)]
    pub struct Shop {
        pub open: i8,
    }

    #[derive(ReadModel, std::clone::Clone, Serialize, Deserialize)]
    pub struct ShopView {
        #[key]
        pub shop: Text,
        #[index]
        pub number: i64,
    }
}

/// `serde`'s derives need the primitive types, ours do not.
mod handlers {
    use super::messages::*;
    #[allow(unused_imports)]
    use super::primitives::{bool, str, u32, u64, usize};
    use super::*;

    #[aggregate(id = Text, storage = "state")]
    impl Shop {
        #[apply]
        fn opened(&mut self, _: &ShopOpened) {
            self.open = 1;
        }
    }

    #[command_handler]
    async fn open(
        command: OpenShop,
        _: &Shop,
    ) -> std::result::Result<ShopEvent, cqrs_core::Rejected> {
        let streets = std::vec::Vec::new();
        let shop = command.shop;
        std::result::Result::Ok(ShopEvent::Opened(ShopOpened { shop, streets }))
    }

    pub struct Shops;

    #[projection(name = "shops", version = 1)]
    impl Shops {
        #[on]
        async fn opened(event: &ShopOpened, _: &Recorded, views: &mut Views<ShopView>) {
            let shop = std::clone::Clone::clone(&event.shop);
            views.put(ShopView { shop, number: 1 });
        }
    }

    #[query_handler]
    async fn count(_: CountShops, views: Read<ShopView>) -> cqrs_core::Result<i64> {
        std::result::Result::Ok(views.count().await? as i64)
    }

    #[query_handler]
    fn sync(_: Another, _: &cqrs_core::Context) -> i64 {
        2
    }

    #[event_handler]
    async fn react(_: ShopOpened, _: Service<super::Bell>) {}
}

struct Bell;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let app = cqrs_core::Dispatcher::builder().store(cqrs_core::Memory::new());
        let app = app.provide(std::sync::Arc::new(Bell)).build().await.expect("builds");
        let shop = "corner".to_owned();
        let receipt = app.execute(messages::OpenShop { shop }).await.expect("opens");
        let count = app.query(messages::CountShops).after(&receipt).await;
        assert_eq!(count.expect("answers"), 1);
    });
}
