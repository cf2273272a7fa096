//! Reports of `build` about names, handlers and stores of which there are two.

use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

mod tills {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "till-opened", version = 1)]
    pub struct TillOpened {
        #[id("till")]
        till: u32,
    }

    pub mod one {
        use super::*;

        #[derive(Default)]
        pub struct Till;

        #[aggregate(id = u32, name = "till")]
        impl Till {
            #[apply]
            fn opened(&mut self, _: &TillOpened) {}
        }

        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = u32, name = "CountTills")]
        pub struct CountTills;

        #[query_handler]
        fn count_tills(_: CountTills) -> u32 {
            1
        }

        #[event_handler(name = "print")]
        fn print_slip(_: TillOpened) {}

        #[derive(ReadModel, Clone, Serialize, Deserialize)]
        pub struct Slip {
            #[key]
            till: u32,
        }
    }

    pub mod two {
        use super::*;

        #[derive(Default)]
        pub struct Till;

        #[aggregate(id = u32, name = "till")]
        impl Till {
            #[apply]
            fn opened(&mut self, _: &TillOpened) {}
        }

        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = u32, name = "CountTills")]
        pub struct CountOpenTills;

        #[event_handler(name = "print")]
        fn print_total(_: TillOpened) {}

        #[derive(ReadModel, Clone, Serialize, Deserialize)]
        pub struct Slip {
            #[key]
            till: u32,
        }
    }

    pub struct Slips;

    #[projection(name = "slips", version = 1)]
    impl Slips {
        #[on]
        fn opened(_: &TillOpened, _: &mut Views<one::Slip>, _: &mut Views<two::Slip>) {}
    }
}

mod orders {
    use cqrs_core::prelude::*;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Order {}

    pub mod clerks {
        use super::*;

        cqrs_core::module!();

        #[command_handler]
        fn take(_: Order) {}

        #[command_handler]
        fn note(_: Order) {}
    }
}

mod shelves {
    use super::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "shelf-built", version = 1)]
    pub struct ShelfBuilt {}

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct BuiltShelf {
        #[key]
        id: u32,
    }

    pub struct BuiltShelves;

    #[projection(name = "built-shelves", version = 1)]
    impl BuiltShelves {
        #[on]
        fn built(_: &ShelfBuilt, _: &mut Views<BuiltShelf>) {}
    }

    pub mod reader {
        use super::*;

        cqrs_core::module!();

        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = ())]
        pub struct Look;

        #[query_handler]
        fn look(_: Look, _: Reader<Sqlite>) {}
    }

    pub mod database {
        use super::*;

        cqrs_core::module!();

        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = ())]
        pub struct Search;

        #[query_handler]
        fn search(_: Search, _: ReadTx<Sqlite>) {}
    }
}

/// The report without its places, of which this file has so many.
async fn report(builder: Builder, places: usize) -> String {
    let built = builder.build().await;
    let report = built.err().expect("it does not build").to_string();
    assert_eq!(report.matches(file!()).count(), places, "{report}");
    let lines = report.lines().filter(|line| !line.starts_with("  --> "));
    lines.collect::<Vec<_>>().join("\n")
}

async fn sqlite(directory: &tempfile::TempDir, name: &str) -> Sqlite {
    let opened = Sqlite::open(directory.path().join(name)).await;
    opened.expect("SQLite opens")
}

#[tokio::test]
async fn each_kind_of_name_is_given_once() {
    let builder = Dispatcher::builder()
        .store(Memory::new())
        .module(tills::module());
    let expected = "\
the wiring has 4 problems

2 queries are named `CountTills`
  = write another `name = \"..\"` in the attribute of one of them

2 aggregates are named `till`
  = write `name = \"..\"` in the `#[aggregate(..)]` of one of them, and `#[id(\"..\")]` on its fields

2 event handlers are named `print`
  = write `name = \"..\"` in the `#[event_handler]` of one of them

two read models of one projection are named `slip`
  = write `#[read_model(name = \"..\")]` on one of them";
    assert_eq!(report(builder, 7).await, expected);
}

#[tokio::test]
async fn two_handlers_of_a_message_from_elsewhere() {
    let builder = Dispatcher::builder()
        .store(Memory::new())
        .module(orders::clerks::module());
    let expected = "\
the wiring has 1 problem

command `Order` has 2 handlers
  = write one handler for it: remove the others";
    assert_eq!(report(builder, 2).await, expected);
}

#[tokio::test]
async fn two_view_stores_for_one_read_model() {
    let builder = Dispatcher::builder()
        .store(Memory::new())
        .views_of::<shelves::BuiltShelf>(Arc::new(Memory::new()))
        .views_of::<shelves::BuiltShelf>(Arc::new(Memory::new()))
        .module(shelves::module());
    let report = report(builder, 4).await;
    let problem = "\
the read model `built_shelf` was given 2 view stores
  = write `.views_of::<..>(..)` once for it";
    assert!(report.contains(problem), "{report}");
}

#[tokio::test]
async fn two_stores_that_a_reader_could_read_from() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let views = sqlite(&directory, "views.db").await;
    let built_shelves = Arc::new(sqlite(&directory, "shelves.db").await);
    let builder = Dispatcher::builder()
        .log(Memory::new())
        .views(views)
        .views_of::<shelves::BuiltShelf>(built_shelves)
        .module(shelves::module());
    let report = report(builder, 2).await;
    let problem = "\
query handlers take `Reader<..>` of `Sqlite`, but the dispatcher has several \
view stores of this type
  = write one view store of this type, and `Service<Sqlite>` in handlers that \
read from another";
    assert!(report.contains(problem), "{report}");
}

#[tokio::test]
async fn two_databases_that_a_query_could_read_from() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let builder = Dispatcher::builder()
        .log(sqlite(&directory, "log.db").await)
        .views(sqlite(&directory, "views.db").await)
        .module(shelves::database::module());
    let expected = "\
the wiring has 1 problem

query handlers take `ReadTx<..>` of `Sqlite`, but the dispatcher has several \
stores of this type
  = write `.store(..)` if log and views are one `Sqlite`, or `Reader<..>` in place of `ReadTx<..>` to \
read from the view store rather than the log";
    assert_eq!(report(builder, 1).await, expected);
}
