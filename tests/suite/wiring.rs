//! What `build` says of a wiring that does not fit together: the whole text, for every problem. Longer than
//! 500 lines: one list of problems.

use std::sync::Arc;

use cqrs_core::prelude::*;
use cqrs_core::{HeldPermissions, Module};

/// The report of a dispatcher of this module, with this file's path cut short.
async fn report(module: Module) -> String {
    report_of(Dispatcher::builder().store(Memory::new()).module(module)).await
}

async fn report_of(builder: cqrs_core::app::Builder) -> String {
    match builder.build().await {
        Ok(_) => panic!("the wiring was found to be whole"),
        Err(error) => error.to_string().replace(file!(), "wiring.rs"),
    }
}

/// `text` with every `{}` replaced by the number of the line below the next marker.
fn expected(text: &str, markers: &[&str]) -> String {
    let line = |marker: &&str| {
        let marked = |line: &str| line.trim() == format!("// {marker}");
        let found = include_str!("wiring.rs").lines().position(marked);
        found.unwrap_or_else(|| panic!("no line is marked {marker}")) + 2
    };
    let mut parts = text.split("{}");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for (part, marker) in parts.zip(markers) {
        whole.push_str(&line(marker).to_string());
        whole.push_str(part);
    }
    whole
}

mod without_handlers {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    // ship-order
    pub struct ShipOrder {}

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    // count-orders
    pub struct CountOrders {}
}

#[tokio::test]
async fn a_message_without_a_handler() {
    let text = "\
the wiring has 2 problems

query `CountOrders` has no handler
  --> wiring.rs:{}
  = write `#[query_handler] fn count_orders(query: CountOrders, ..)`, or `.module(..)` on the builder for the crate that has it

command `ShipOrder` has no handler
  --> wiring.rs:{}
  = write `#[command_handler] fn ship_order(command: ShipOrder, ..)`, or `.module(..)` on the builder for the crate that has it";
    let expected = expected(text, &["count-orders", "ship-order"]);
    assert_eq!(report(without_handlers::module()).await, expected);
}

/// The command of another module, which its reaction returns.
mod orders_more {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "stock-ran-out", version = 1)]
    pub struct StockRanOut;

    #[event_handler]
    // order-more
    fn order_more(_: StockRanOut) -> Option<super::without_handlers::ShipOrder> {
        None
    }

    #[event_handler]
    // pay-more
    fn pay_more(_: StockRanOut) -> Result<(super::one_handler::PayBill, ())> {
        Ok((super::one_handler::PayBill {}, ()))
    }
}

mod one_handler {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct PayBill {}

    #[command_handler]
    // pay-bill
    fn pay(_: PayBill) {}
}

#[tokio::test]
async fn a_reaction_returns_a_command_without_a_handler() {
    let text = "\
the wiring has 2 problems

event handler `order_more` returns the command `ShipOrder`, which has no handler
  --> wiring.rs:{}
  = write `#[command_handler] fn ship_order(command: ShipOrder, ..)`, or `.module(..)` on the builder for the crate that has it

event handler `pay_more` returns the command `PayBill`, which has no handler
  --> wiring.rs:{}
  = write `.module(..)` on the builder for `suite::wiring::one_handler`, whose `pay` handles it (wiring.rs:{})";
    let expected = expected(text, &["order-more", "pay-more", "pay-bill"]);
    assert_eq!(report(orders_more::module()).await, expected);
}

mod two_handlers {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct PayInvoice {}

    #[command_handler]
    // pay
    fn pay(_: PayInvoice) {}

    #[command_handler]
    // pay-again
    fn pay_again(_: PayInvoice) {}
}

#[tokio::test]
async fn two_handlers_for_one_command() {
    let text = "\
the wiring has 1 problem

command `PayInvoice` has 2 handlers
  --> wiring.rs:{}
  --> wiring.rs:{}
  = write one handler for it: remove the others, or include the module of only one";
    let expected = expected(text, &["pay", "pay-again"]);
    assert_eq!(report(two_handlers::module()).await, expected);
}

mod same_names {
    cqrs_core::module!();

    pub mod one {
        use cqrs_core::prelude::*;

        #[derive(Command, Clone, Serialize, Deserialize)]
        #[command(name = "Rename")]
        // rename-one
        pub struct RenameOne {}

        #[command_handler]
        fn rename(_: RenameOne) {}

        #[derive(Event, Serialize, Deserialize)]
        #[event(name = "renamed", version = 1)]
        // renamed-one
        pub struct Renamed {}
    }

    pub mod two {
        use cqrs_core::prelude::*;

        #[derive(Command, Clone, Serialize, Deserialize)]
        #[command(name = "Rename")]
        // rename-two
        pub struct RenameTwo {}

        #[derive(Event, Serialize, Deserialize)]
        #[event(name = "renamed", version = 2)]
        // renamed-two
        pub struct Renamed {}
    }
}

mod retired_and_registered {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "lamp-dimmed", version = 1)]
    // lamp-dimmed
    pub struct LampDimmed {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "lamp-set", version = 1, retired = ["lamp-dimmed"])]
    // lamp-set
    pub struct LampSet {}
}

#[tokio::test]
async fn a_retired_event_that_is_registered() {
    let text = "\
the wiring has 1 problem

the event `lamp-dimmed` is retired, but registered
  --> wiring.rs:{}
  --> wiring.rs:{}
  = write `retired` without it, or remove the event";
    let expected = expected(text, &["lamp-set", "lamp-dimmed"]);
    assert_eq!(report(retired_and_registered::module()).await, expected);
}

#[tokio::test]
async fn two_messages_or_events_with_one_name() {
    let text = "\
the wiring has 2 problems

2 commands are named `Rename`
  --> wiring.rs:{}
  --> wiring.rs:{}
  = write another `name = \"..\"` in the attribute of one of them

2 events are named `renamed`
  --> wiring.rs:{}
  --> wiring.rs:{}
  = write another `name` in the `#[event(..)]` of one of them";
    let markers = ["rename-one", "rename-two", "renamed-one", "renamed-two"];
    assert_eq!(report(same_names::module()).await, expected(text, &markers));
}

mod by_hand {
    use cqrs_core::prelude::*;
    use cqrs_core::store::Tags;
    cqrs_core::module!();

    #[derive(Serialize, Deserialize)]
    pub struct Forged {}

    impl cqrs_core::Event for Forged {
        const NAME: &'static str = "forged";
        const VERSION: u32 = 1;
        fn tags(&self, _: &mut Tags) {}
    }

    #[event_handler]
    // notice
    fn notice(_: Forged) {}
}

#[tokio::test]
async fn an_event_that_nothing_registers() {
    let text = "\
the wiring has 1 problem

nothing registers the event `forged`
  --> wiring.rs:{}
  = write `#[derive(Event)]` on its type, instead of an `impl`";
    assert_eq!(report(by_hand::module()).await, expected(text, &["notice"]));
}

mod services {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    pub struct Prices;
    pub trait Clerk: Send + Sync {}

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct PriceOf {}

    #[query_handler]
    // price-of
    fn price_of(_: PriceOf, _prices: Service<Prices>, _clerk: Service<dyn Clerk>) -> u32 {
        7
    }
}

#[tokio::test]
async fn a_service_that_was_not_provided() {
    let text = "\
the wiring has 2 problems

no `dyn suite::wiring::services::Clerk` was provided, which handlers take as `Service<..>`
  --> wiring.rs:{}
  = write `.provide::<dyn suite::wiring::services::Clerk>(..)` on the builder

no `suite::wiring::services::Prices` was provided, which handlers take as `Service<..>`
  --> wiring.rs:{}
  = write `.provide::<suite::wiring::services::Prices>(..)` on the builder";
    let expected = expected(text, &["price-of", "price-of"]);
    assert_eq!(report(services::module()).await, expected);
    struct Anne;
    impl services::Clerk for Anne {}
    let app = Dispatcher::builder()
        .store(Memory::new())
        .module(services::module());
    let app = app.provide(Arc::new(services::Prices));
    let app = app
        .provide::<dyn services::Clerk>(Arc::new(Anne))
        .build()
        .await
        .expect("builds");
    assert_eq!(app.query(services::PriceOf {}).await.expect("answers"), 7);
}

mod guarded {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "vault:open")]
    // open-vault
    pub struct OpenVault {}

    #[command_handler]
    fn open(_: OpenVault) {}
}

#[tokio::test]
async fn a_permission_without_an_authorizer() {
    let text = "\
the wiring has 1 problem

messages name permissions, but the dispatcher has no authorizer
  --> wiring.rs:{}
  = write `.authorizer(HeldPermissions)` on the builder, an `Authorizer` of your own, or `.authorizer(AllowAll)` to let everyone in";
    assert_eq!(
        report(guarded::module()).await,
        expected(text, &["open-vault"])
    );
}

#[tokio::test]
async fn a_permission_is_asked_for_at_every_door() {
    let app = Dispatcher::builder()
        .store(Memory::new())
        .module(guarded::module());
    let app = app
        .authorizer(HeldPermissions)
        .build()
        .await
        .expect("builds");
    let anne = || Actor::new("anne").with("vault:open");
    let denied = "bob may not send `OpenVault`: it needs the permission `vault:open`";

    let outcome = app
        .execute(guarded::OpenVault {})
        .actor(Actor::new("bob"))
        .await;
    assert_eq!(outcome.expect_err("is denied").to_string(), denied);
    let outcome = app
        .execute_json("OpenVault", b"{}")
        .actor(Actor::new("bob"))
        .await;
    assert_eq!(outcome.expect_err("is denied").to_string(), denied);
    let session = app.session().actor(Actor::new("bob"));
    let outcome = session.execute(guarded::OpenVault {}).await;
    assert_eq!(outcome.expect_err("is denied").to_string(), denied);
    let outcome = app.execute(guarded::OpenVault {}).await;
    assert!(matches!(outcome, Err(CommandError::Denied(_))));

    app.execute(guarded::OpenVault {})
        .actor(anne())
        .await
        .expect("is let in");
    app.execute_json("OpenVault", b"{}")
        .actor(anne())
        .await
        .expect("is let in");
    app.session()
        .actor(anne())
        .execute(guarded::OpenVault {})
        .await
        .expect("is let in");
}

#[tokio::test]
async fn a_module_that_registers_nothing() {
    let text = "\
the wiring has 1 problem

module `warehouse::orders` registers nothing
  = write messages and handlers in it, or below it; `cqrs_core::module!()` belongs at the top of the crate or module that has them";
    assert_eq!(report(Module::new("warehouse::orders")).await, text);
}

mod orphaned_views {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Shelf {
        #[key]
        pub id: String,
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountShelves {}

    #[query_handler]
    // count-shelves
    async fn count(_: CountShelves, shelves: Read<Shelf>) -> Result<u64> {
        shelves.count().await
    }
}

#[tokio::test]
async fn a_read_model_that_no_projection_keeps() {
    let text = "\
the wiring has 1 problem

no projection keeps the read model `shelf`
  --> wiring.rs:{}
  = write a `#[projection]` with an `#[on]` method that takes `&mut Views<..>` of it, or `.module(..)` on the builder for the crate that has it";
    assert_eq!(
        report(orphaned_views::module()).await,
        expected(text, &["count-shelves"])
    );
}

mod rivals {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "stored", version = 1)]
    pub struct Stored {}

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Store {
        #[key]
        pub id: String,
    }

    pub struct First;

    #[projection(name = "stores", version = 1)]
    // first
    impl First {
        #[on]
        fn stored(_: &Stored, _: &mut Views<Store>) {}
    }

    pub struct Second;

    #[projection(name = "stores", version = 2)]
    // second
    impl Second {
        #[on]
        fn stored(_: &Stored, _: &mut Views<Store>) {}
    }
}

#[tokio::test]
async fn two_projections_with_one_name_and_read_model() {
    let text = "\
the wiring has 2 problems

2 projections are named `stores`
  --> wiring.rs:{}
  --> wiring.rs:{}
  = write another `name` in the `#[projection(..)]` of one of them

read model `store` is kept by more than one projection
  --> wiring.rs:{}
  --> wiring.rs:{}
  = write one projection for it: a read model has one checkpoint";
    let markers = ["first", "second", "first", "second"];
    assert_eq!(report(rivals::module()).await, expected(text, &markers));
}

#[tokio::test]
async fn a_dispatcher_without_a_store() {
    let text = "\
the wiring has 1 problem

the dispatcher has no store
  = write `.store(..)` on the builder: `Memory::new()`, `Sqlite::open(path).await?`, ..";
    let builder = Dispatcher::builder()
        .module(guarded::module())
        .authorizer(AllowAll);
    assert_eq!(report_of(builder).await, text);
}

#[test]
fn all_problems_come_at_once_also_from_verify() {
    let modules = [two_handlers::module(), by_hand::module()];
    let verify = || cqrs_core::testing::verify_modules(modules);
    let panic = std::panic::catch_unwind(verify).expect_err("there are problems");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.starts_with("the wiring has 2 problems"), "{text}");
    cqrs_core::testing::verify_modules([crate::shop::module()]);
}

mod two_at_once {
    use std::sync::atomic::{AtomicU32, Ordering};

    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Default)]
    pub struct Counter(pub AtomicU32);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Count {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "counted", version = 1)]
    pub struct Counted {}

    #[command_handler]
    fn count(_: Count, counter: Service<Counter>) -> Counted {
        counter.0.fetch_add(1, Ordering::SeqCst);
        Counted {}
    }
}

#[tokio::test]
async fn two_dispatchers_do_not_disturb_each_other() {
    use std::sync::atomic::Ordering;
    let counters = [Arc::new(two_at_once::Counter::default()), Arc::default()];
    let stores = [Memory::new(), Memory::new()];
    let mut apps = Vec::new();
    for (counter, store) in counters.iter().zip(&stores) {
        let app = Dispatcher::builder()
            .module(two_at_once::module())
            .store(store.clone());
        apps.push(app.provide(counter.clone()).build().await.expect("builds"));
    }
    apps[0]
        .execute(two_at_once::Count {})
        .await
        .expect("counts");
    for _ in 0..2 {
        apps[1]
            .execute(two_at_once::Count {})
            .await
            .expect("counts");
    }
    let counts = counters.map(|counter| counter.0.load(Ordering::SeqCst));
    assert_eq!(counts, [1, 2]);
    for (app, events) in apps.iter().zip([1, 2]) {
        let all = app
            .events(cqrs_core::store::EventQuery::All)
            .all()
            .await
            .expect("reads");
        assert_eq!(all.len(), events);
    }
}

mod other_handler {
    cqrs_core::module!();

    #[cqrs_core::query_handler]
    fn other(_: super::services::PriceOf) -> u32 {
        9
    }
}

#[tokio::test]
async fn two_dispatchers_may_have_different_handlers_for_one_message() {
    struct Anne;
    impl services::Clerk for Anne {}
    let one = Dispatcher::builder()
        .store(Memory::new())
        .module(services::module());
    let one = one
        .provide(Arc::new(services::Prices))
        .provide::<dyn services::Clerk>(Arc::new(Anne));
    let one = one.build().await.expect("builds");
    let other = Dispatcher::builder()
        .store(Memory::new())
        .module(other_handler::module());
    let other = other.build().await.expect("builds");
    assert_eq!(one.query(services::PriceOf {}).await.expect("answers"), 7);
    assert_eq!(other.query(services::PriceOf {}).await.expect("answers"), 9);
    let json = other.query_json("PriceOf", b"{}").await.expect("answers");
    assert_eq!(json, 9);
}

mod partly_filtered {
    use cqrs_core::prelude::*;
    use cqrs_core::views::Rows;
    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "letter-written", version = 1)]
    pub struct LetterWritten {
        pub id: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Letter {
        #[key]
        pub id: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Envelope {
        #[key]
        pub id: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Stamp {
        #[key]
        pub id: u32,
    }

    pub struct Desk;

    #[projection(name = "desk", version = 1)]
    impl Desk {
        #[on]
        fn written(
            event: &LetterWritten,
            letters: &mut Views<Letter>,
            envelopes: &mut Views<Envelope>,
            stamps: &mut Views<Stamp>,
        ) {
            let id = event.id;
            letters.put(Letter { id });
            envelopes.put(Envelope { id });
            stamps.put(Stamp { id });
        }
    }

    fn letters(_: &Actor) -> Rows<Letter> {
        Rows::all()
    }

    fn no_letters(_: &Actor) -> Rows<Letter> {
        Rows::none()
    }

    fn stamps(_: &Actor) -> Rows<Stamp> {
        Rows::all()
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64, rows = [letters, stamps, no_letters])]
    pub struct CountLetters {}

    #[query_handler]
    // count-letters
    async fn count(
        _: CountLetters,
        letters: Read<Letter>,
        envelopes: Read<Envelope>,
        _: ReadTx<cqrs_sqlite::Sqlite>,
    ) -> Result<u64> {
        Ok(letters.count().await? + envelopes.count().await?)
    }
}

#[tokio::test]
async fn rows_of_a_part_of_what_a_query_reads() {
    let text = "\
the wiring has 4 problems

query `CountLetters` has `rows`, but none of the read model `envelope`, which its handler reads
  --> wiring.rs:{}
  = write a function for it in `rows = [..]`, which may return `Rows::all()`

query `CountLetters` has `rows`, but its handler reads `Sqlite` by itself, where they do not hold
  --> wiring.rs:{}
  = write `Read<..>` in place of it, or no `rows`, and `&Context` for a condition of your own

query `CountLetters` has `rows` of the read model `stamp`, which its handler does not read
  --> wiring.rs:{}
  = write `Read<..>` of it in the handler, or remove its function from `rows`

query `CountLetters` has several `rows` of the read model `letter`
  --> wiring.rs:{}
  = write one function, which returns `rows.and(others)`";
    let expected = expected(text, &["count-letters"; 4]);
    let directory = tempfile::tempdir().expect("a directory can be made");
    let sqlite = cqrs_sqlite::Sqlite::open(directory.path().join("log.db")).await;
    let builder = Dispatcher::builder().module(partly_filtered::module());
    let builder = builder.store(sqlite.expect("opens"));
    assert_eq!(report_of(builder).await, expected);
}
