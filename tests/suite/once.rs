//! Commands are processed once: the same id again has no effect, and another body is an error.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cqrs_core::prelude::*;
use cqrs_core::store::{BoxFuture, EventLog, EventQuery, StoreError, StoredCommand};

use crate::dispatch::{Call, CountCalls, Pay, Purse, module, pay_of, services};
use crate::support::decorated::{Decorated, Hooks};
use crate::support::race;
use crate::support::stores::on_each_with;

#[tokio::test]
async fn the_same_id_again_returns_the_first_receipt() {
    on_each_with(module(), services, |app| async move {
        let id = CommandId::new();
        let first = app.execute(Call { number: 1 }).id(id).await.expect("calls");
        assert_eq!((first.events(), first.replayed()), (1, false));
        app.execute(Call { number: 2 }).await.expect("calls");
        let again = app
            .execute(Call { number: 1 })
            .id(id)
            .await
            .expect("is known");
        assert!(again.replayed());
        assert_eq!((again.first(), again.last()), (first.first(), first.last()));
        let json = app
            .execute_json("Call", br#"{"number": 1}"#)
            .id(id)
            .await
            .expect("is known");
        assert!(json.replayed());
        assert_eq!(app.query(CountCalls {}).await.expect("answers"), 2);

        let error = app
            .execute(Call { number: 9 })
            .id(id)
            .await
            .expect_err("is another body");
        assert!(matches!(error, CommandError::Invalid(_)), "{error:?}");
        let error = app
            .execute(pay_of(1))
            .id(id)
            .await
            .expect_err("is another command");
        assert!(matches!(error, CommandError::Invalid(_)), "{error:?}");
        assert_eq!(app.query(CountCalls {}).await.expect("answers"), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_sent_by_many_at_once_has_one_effect() {
    on_each_with(module(), services, |app| async move {
        let id = CommandId::new();
        let receipts = race(32, |_| {
            let app = app.clone();
            async move {
                app.execute(Call { number: 1 })
                    .id(id)
                    .await
                    .expect("is sent")
            }
        })
        .await;
        assert_eq!(
            receipts
                .iter()
                .filter(|receipt| !receipt.replayed())
                .count(),
            1
        );
        assert!(
            receipts
                .iter()
                .all(|receipt| receipt.first() == receipts[0].first())
        );
        assert_eq!(
            app.events(EventQuery::All)
                .all()
                .await
                .expect("reads")
                .len(),
            1
        );
    })
    .await;
}

/// Once the first is done, the others decide on a purse from which they must not pay again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_repeated_sending_is_not_rejected_because_of_the_first() {
    on_each_with(module(), services, |app| async move {
        for _ in 0..20 {
            let id = CommandId::new();
            let purse = id.to_string();
            let receipts = race(16, |_| {
                let app = app.clone();
                let pay = Pay {
                    purse: purse.clone(),
                    ..pay_of(70)
                };
                async move { app.execute(pay).id(id).await.expect("is paid once") }
            })
            .await;
            assert_eq!(
                receipts
                    .iter()
                    .filter(|receipt| !receipt.replayed())
                    .count(),
                1
            );
            assert_eq!(app.state::<Purse>(&purse).await.expect("reads").spent, 70);
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_is_known_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    let open = async || {
        let sqlite = cqrs_sqlite::Sqlite::open(&path).await.expect("opens");
        let app = Dispatcher::builder().module(module()).store(sqlite);
        services(app).build().await.expect("builds")
    };
    let id = CommandId::new();
    let app = open().await;
    let first = app.execute(Call { number: 1 }).id(id).await.expect("calls");
    drop(app);
    let app = open().await;
    let again = app
        .execute(Call { number: 1 })
        .id(id)
        .await
        .expect("is known");
    assert!(again.replayed());
    assert_eq!(again.last(), first.last());
    assert_eq!(app.query(CountCalls {}).await.expect("answers"), 0);
    let error = app
        .execute(Call { number: 2 })
        .id(id)
        .await
        .expect_err("is another body");
    assert!(matches!(error, CommandError::Invalid(_)), "{error:?}");
}

mod doors {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Knocks at a door.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Knock {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "knocked", version = 1)]
    pub struct Knocked {}

    #[command_handler]
    fn knock(_: Knock) -> Knocked {
        Knocked {}
    }
}

/// A log whose lookups of commands are counted, and may fail.
#[derive(Default)]
struct Lookups {
    count: AtomicUsize,
    fail: AtomicBool,
}

impl Hooks<dyn EventLog> for Lookups {
    fn command<'a>(
        &'a self,
        store: &'a dyn EventLog,
        id: CommandId,
    ) -> BoxFuture<'a, Result<Option<StoredCommand>, StoreError>> {
        self.count.fetch_add(1, Ordering::SeqCst);
        if self.fail.load(Ordering::SeqCst) {
            let reason = "no lookups".into();
            return Box::pin(ready(Err(StoreError::Unavailable { reason })));
        }
        store.command(id)
    }
}

type LookupLog = Arc<Decorated<dyn EventLog, Lookups>>;

/// A dispatcher on the stores of another one, and its log.
async fn with_lookups(app: &Dispatcher) -> (Dispatcher, LookupLog) {
    let log = Arc::new(Decorated {
        store: app.log().clone(),
        hooks: Lookups::default(),
    });
    let views = app.views().expect("it has views").clone();
    let builder = Dispatcher::builder()
        .module(module())
        .module(doors::module());
    let builder = services(builder).log(log.clone()).views(views);
    (builder.build().await.expect("builds"), log)
}

/// The append finds the earlier sending of any other command.
#[tokio::test]
async fn commands_are_looked_up_before_handlers_with_effects_and_after_rejections() {
    on_each_with(module(), services, |app| async move {
        let (counted, log) = with_lookups(&app).await;
        let lookups = || log.hooks.count.swap(0, Ordering::SeqCst);

        let id = CommandId::new();
        let first = counted.execute(pay_of(70)).id(id).await.expect("pays");
        assert_eq!((first.replayed(), lookups()), (false, 0));
        // The purse has been paid from, so the handler rejects it.
        let again = counted.execute(pay_of(70)).id(id).await.expect("is known");
        assert_eq!((again.replayed(), lookups()), (true, 1));
        let rejected = counted.execute(pay_of(70)).id(CommandId::new()).await;
        assert!(
            matches!(rejected, Err(CommandError::Rejected(_))),
            "{rejected:?}"
        );
        assert_eq!(lookups(), 1);

        let id = CommandId::new();
        for is_again in [false, true] {
            let call = counted.execute(Call { number: 1 }).id(id);
            let receipt = call.await.expect("calls");
            assert_eq!((receipt.replayed(), lookups()), (is_again, 1));
            assert_eq!(counted.query(CountCalls {}).await.expect("answers"), 1);
        }
    })
    .await;
}

/// While commands are sent again, since an append that finds one may have to begin again.
#[tokio::test]
async fn commands_are_looked_up_first_after_an_append_has_found_one() {
    on_each_with(module(), services, |app| async move {
        let (counted, log) = with_lookups(&app).await;
        let lookups = || log.hooks.count.swap(0, Ordering::SeqCst);
        let id = CommandId::new();
        for is_again in [false, true] {
            let knocked = counted.execute(doors::Knock {}).id(id).await;
            let receipt = knocked.expect("knocks");
            assert_eq!((receipt.replayed(), lookups()), (is_again, 0));
        }
        // It is so for a second, which a busy machine may take for more than one call.
        let mut looked_up = 0;
        for _ in 0..10 {
            let knock = counted.execute(doors::Knock {}).id(CommandId::new());
            knock.await.expect("knocks");
            looked_up = lookups();
            if looked_up > 0 {
                break;
            }
            let again = counted.execute(doors::Knock {}).id(id).await;
            assert!(again.expect("is known").replayed());
            lookups();
        }
        assert_eq!(looked_up, 1);
    })
    .await;
}

/// The event in the way may be its own.
#[tokio::test]
async fn a_repeated_sending_that_cannot_be_looked_up_is_not_said_to_have_no_effect() {
    on_each_with(module(), services, |app| async move {
        let (counted, log) = with_lookups(&app).await;
        let since = counted.execute(pay_of(20)).await.expect("pays").last();
        let id = CommandId::new();
        let pay = || counted.execute(pay_of(30)).id(id).unchanged_since(since);
        let first = pay().await.expect("pays");
        log.hooks.fail.store(true, Ordering::SeqCst);
        let again = pay().await;
        assert!(matches!(again, Err(CommandError::Failed(_))), "{again:?}");
        log.hooks.fail.store(false, Ordering::SeqCst);
        let again = pay().await.expect("is known");
        assert_eq!((again.replayed(), again.last()), (true, first.last()));
    })
    .await;
}
