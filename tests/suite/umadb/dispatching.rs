//! Dispatchers with the log on UmaDB and read models in SQLite.

use std::path::Path;

use cqrs_conformance::LogFixture;
use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;
use cqrs_umadb::UmaDb;

use crate::support::race;
use crate::support::umadb::Log;

mod counting {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Increment {
        #[id(Counter)]
        pub counter: String,
        #[id(Total)]
        pub total: String,
        pub limit: u64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "incremented", version = 1)]
    pub struct Incremented {
        #[id(Counter)]
        pub counter: String,
        #[id(Total)]
        pub total: String,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Counter {
        count: u64,
    }

    #[aggregate(id = String)]
    impl Counter {
        #[apply]
        fn incremented(&mut self, _: &Incremented) {
            self.count += 1;
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Total {
        count: u64,
    }

    #[aggregate(id = String)]
    impl Total {
        #[apply]
        fn incremented(&mut self, _: &Incremented) {
            self.count += 1;
        }
    }

    /// At the limit there is nothing to record.
    #[command_handler]
    fn increment(command: Increment, counter: &Counter, total: &Total) -> Option<Incremented> {
        let Increment {
            counter: id,
            total: all,
            limit,
        } = command;
        let is_full = counter.count.max(total.count) >= limit;
        (!is_full).then_some(Incremented {
            counter: id,
            total: all,
        })
    }

    #[derive(ReadModel, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Count {
        #[key]
        pub counter: String,
        pub count: u64,
    }

    pub struct Counts;

    #[projection(name = "counts", version = 1)]
    impl Counts {
        #[on]
        fn incremented(event: &Incremented, counts: &mut Views<Count>) -> Result<()> {
            let before = counts.get(&event.counter)?.map_or(0, |it| it.count);
            counts.put(Count {
                counter: event.counter.clone(),
                count: before + 1,
            });
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountOf {
        pub counter: String,
    }

    #[query_handler]
    async fn count_of(CountOf { counter }: CountOf, counts: Read<Count>) -> Result<u64> {
        Ok(counts.get(&counter).await?.map_or(0, |it| it.count))
    }
}

mod claiming {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Claim {
        #[id(Domain)]
        pub domain: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "domain-claimed", version = 1)]
    pub struct Claimed {
        #[id(Domain)]
        domain: u32,
    }

    #[derive(Default)]
    pub struct Domain {
        is_taken: bool,
    }

    #[aggregate(id = u32)]
    impl Domain {
        #[apply]
        fn claimed(&mut self, _: &Claimed) {
            self.is_taken = true;
        }
    }

    #[command_handler]
    fn claim(Claim { domain }: Claim, state: &Domain) -> Result<Claimed, Rejected> {
        ensure!(!state.is_taken, "it is taken");
        Ok(Claimed { domain })
    }
}

/// What a log without states and transactions cannot do.
mod beyond {
    use cqrs_core::prelude::*;
    use cqrs_sqlite::Sqlite;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Keep {
        #[id(Kept)]
        pub kept: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "kept", version = 1)]
    pub struct WasKept {
        #[id(Kept)]
        pub kept: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Kept;

    #[aggregate(id = u32, storage = "state")]
    impl Kept {
        #[apply]
        fn kept(&mut self, _: &WasKept) {}
    }

    #[command_handler]
    fn keep(Keep { kept }: Keep, _: &Kept) -> WasKept {
        WasKept { kept }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Write;

    #[command_handler]
    fn write(_: Write, _: &mut Tx<Sqlite>) {}
}

async fn open(fixture: &Log, views: &Path) -> Dispatcher {
    let builder: Builder = Dispatcher::builder().module(counting::module());
    builder
        .log(fixture.open_log().await)
        .views(Sqlite::open(views).await.expect("SQLite opens"))
        .attempts(1000)
        .build()
        .await
        .expect("builds")
}

/// Two processes race on rules over two aggregates. No rule is broken, and the read models of each
/// have what was recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rules_hold_and_read_models_follow_in_several_processes() {
    const LIMIT: u64 = 12;
    let Some(fixture) = Log::fresh("rules_hold_in_several_processes", UmaDb::options()) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory can be made");
    let apps = [
        open(&fixture, &directory.path().join("first.db")).await,
        open(&fixture, &directory.path().join("second.db")).await,
    ];
    let receipts = race(48, |racer| {
        let app = apps[racer % 2].clone();
        async move {
            app.execute(counting::Increment {
                counter: format!("{}", racer % 3),
                total: "all".to_owned(),
                limit: LIMIT,
            })
            .await
            .expect("it is decided")
        }
    })
    .await;
    let recorded = receipts
        .iter()
        .filter(|receipt| receipt.events() > 0)
        .count();
    assert_eq!(recorded as u64, LIMIT);

    let last = receipts.iter().max_by_key(|receipt| receipt.last());
    let last = last.expect("there are some");
    for app in &apps {
        let mut sum = 0;
        for counter in ["0", "1", "2"] {
            let query = counting::CountOf {
                counter: counter.to_owned(),
            };
            sum += app.query(query).after(last).await.expect("is answered");
        }
        assert_eq!(sum, LIMIT);
    }
}

#[tokio::test]
async fn what_a_domain_needs_and_the_log_lacks_is_reported_when_it_is_built() {
    let Some(fixture) = Log::fresh("what_a_domain_needs_is_reported", UmaDb::options()) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory can be made");
    let views = Sqlite::open(directory.path().join("views.db")).await;
    let builder = Dispatcher::builder()
        .module(beyond::module())
        .log(fixture.open_log().await)
        .views(views.expect("SQLite opens"));
    let Err(error) = builder.build().await else {
        panic!("the log keeps no states and has no transactions");
    };
    let text = error.to_string();
    for part in [
        "aggregate `kept` has `storage = \"state\"`",
        "command handlers take transactions",
        "dispatching.rs",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The state in memory is of events that are no more, and so is a rejection that is based on it.
#[tokio::test]
async fn a_rejection_is_not_based_on_a_log_that_was_emptied() {
    let Some(fixture) = Log::fresh("a_log_that_was_emptied", UmaDb::options()) else {
        return;
    };
    let builder = Dispatcher::builder().module(claiming::module());
    let app = builder.log(fixture.open_log().await).build().await;
    let app = app.expect("builds");
    let claim = claiming::Claim { domain: 1 };
    app.execute(claim.clone()).await.expect("it is free");
    let rejected = app.execute(claim.clone()).await;
    assert!(matches!(rejected, Err(CommandError::Rejected(_))));
    fixture.server.kill();
    fixture.server.clear();
    fixture.server.restart();
    app.execute(claim).await.expect("it is free again");
}
