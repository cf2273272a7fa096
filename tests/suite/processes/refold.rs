//! Changed code: the state is folded again from the log.

use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::app::SubscriptionState;
use cqrs_core::prelude::*;
use cqrs_core::store::{BoxFuture, EventLog, EventPage, EventQuery, ReadRange, StoreError};

use super::idle;
use crate::support::decorated::{Decorated, Hooks};
use crate::support::parked::{parked, until};
use crate::support::stores::on_each;

macro_rules! visits {
    ($module:ident, $count:expr) => {
        mod $module {
            use cqrs_core::prelude::*;

            cqrs_core::module!();

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Visit {
                pub guest: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Greet {
                pub guest: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "visited", version = 1)]
            pub struct Visited {
                #[id("guest")]
                pub guest: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "greeted", version = 1)]
            pub struct Greeted {
                #[id("guest")]
                pub guest: u32,
            }

            #[command_handler]
            fn visit(Visit { guest }: Visit) -> Visited {
                Visited { guest }
            }

            /// The guests that are to be greeted are those with an odd number.
            #[command_handler]
            fn greet(Greet { guest }: Greet) -> Result<Greeted, Rejected> {
                ensure!(guest % 2 == 1, "nobody knows the guest");
                Ok(Greeted { guest })
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct Visits {
                pub count: u32,
            }

            #[process_manager(name = "visits", id("guest" = u32))]
            impl Visits {
                #[start]
                fn visited(&mut self, event: &Visited) -> (Greet, Option<End>) {
                    let guest = event.guest;
                    self.count += $count;
                    (Greet { guest }, (guest % 2 == 0).then_some(End))
                }

                #[rejected]
                fn refused(&mut self, _: &Greet, _: &Rejected) {
                    self.count += 5 * $count;
                }
            }
        }
    };
}

visits!(earlier, 1);
visits!(later, 10);

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_folded_again_with_the_changed_code() {
    on_each(earlier::module(), async |app| {
        for _ in 0..3 {
            app.execute(earlier::Visit { guest: 1 })
                .await
                .expect("visits");
        }
        idle(&app).await;
        let before = app.process::<earlier::Visits>(&1).await.expect("reads");
        assert_eq!(before.expect("it has begun").state.count, 3);

        let changed = Dispatcher::builder()
            .module(later::module())
            .stores_of(&app);
        let changed = changed.build().await.expect("builds");
        // For those who look, at once.
        let shown = changed.process::<later::Visits>(&1).await.expect("reads");
        assert_eq!(shown.expect("it has begun").state.count, 30);
        app.shutdown(super::LIMIT).await.expect("ends");
        changed
            .execute(later::Visit { guest: 1 })
            .await
            .expect("visits");
        idle(&changed).await;
        let after = changed.process::<later::Visits>(&1).await.expect("reads");
        assert_eq!(after.expect("it has begun").state.count, 40);
        let greeted = super::names(&changed).await;
        let greeted = greeted.iter().filter(|name| *name == "greeted").count();
        assert_eq!(greeted, 4, "what was sent before is not sent again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_after_the_end_is_folded_again_and_late_events_are_not() {
    on_each(earlier::module(), async |app| {
        for _ in 0..3 {
            let visit = earlier::Visit { guest: 2 };
            app.execute(visit).await.expect("visits");
            idle(&app).await;
        }
        let before = app.process::<earlier::Visits>(&2).await.expect("reads");
        let before = before.expect("it has begun");
        assert_eq!((before.state.count, before.late), (6, 2));

        let changed = Dispatcher::builder()
            .module(later::module())
            .stores_of(&app);
        let changed = changed.build().await.expect("builds");
        let shown = changed.process::<later::Visits>(&2).await.expect("reads");
        let shown = shown.expect("it has begun");
        assert_eq!((shown.state.count, shown.late), (60, 2));
        assert_eq!(shown.ended, before.ended);
    })
    .await;
}

/// A log whose events of an instance cannot be read for now, or only up to a position that was the head before.
#[derive(Default)]
struct Troubled {
    trouble: Mutex<Option<Trouble>>,
    reads: AtomicU32,
}

#[derive(Clone, Copy)]
enum Trouble {
    Broken,
    Behind,
}

impl Hooks<dyn EventLog> for Troubled {
    fn read<'a>(
        &'a self,
        store: &'a dyn EventLog,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        let is_of_instance = match &query {
            EventQuery::Items(items) => items.iter().any(|item| !item.tags.is_empty()),
            EventQuery::All => false,
        };
        let trouble = *self.trouble.lock().expect("no panic");
        let Some(trouble) = trouble.filter(|_| is_of_instance) else {
            return store.read(query, range);
        };
        self.reads.fetch_add(1, Ordering::SeqCst);
        match trouble {
            Trouble::Broken => Box::pin(ready(Err(StoreError::Unavailable {
                reason: "the index is missing".into(),
            }))),
            Trouble::Behind => {
                let up_to = Some(range.after.plus(1));
                store.read(query, ReadRange { up_to, ..range })
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_meanwhile_is_no_fault_of_the_instance() {
    on_each(earlier::module(), async |app| {
        for guest in [1, 3, 1, 3] {
            let visit = earlier::Visit { guest };
            app.execute(visit).await.expect("visits");
        }
        idle(&app).await;
        app.shutdown(super::LIMIT).await.expect("ends");
        let log = Arc::new(Decorated {
            store: app.log().clone(),
            hooks: Troubled::default(),
        });
        let changed = Dispatcher::builder()
            .module(later::module())
            .log(log.clone())
            .views(app.views().expect("it has views").clone())
            .retry_for(Duration::ZERO);
        let changed = changed.build().await.expect("builds");
        let troubles = [
            (Trouble::Broken, "the index is missing"),
            (Trouble::Behind, "it ends at"),
        ];
        for ((guest, other), (trouble, reason)) in [(1, 5), (3, 7)].into_iter().zip(troubles) {
            *log.trouble.lock().expect("no panic") = Some(trouble);
            let before = log.reads.load(Ordering::SeqCst);
            // The first one has no state to be folded again.
            for guest in [other, guest] {
                let visit = later::Visit { guest };
                changed.execute(visit).await.expect("visits");
            }
            let has_retried = || async { log.reads.load(Ordering::SeqCst) > before + 1 };
            until(has_retried, &changed).await;
            let is_failing = || async {
                let all = changed.health().subscriptions;
                let own = all.into_iter().find(|it| it.name == "visits");
                let state = own.expect("it is there").state;
                matches!(state, SubscriptionState::Failing { error, .. } if error.contains(reason))
            };
            until(is_failing, &changed).await;
            assert_eq!(parked(&changed, "visits").await, []);
            let handled = changed.process::<later::Visits>(&other).await;
            let handled = handled.expect("reads").expect("it has begun");
            assert_eq!(handled.state.count, 10);

            *log.trouble.lock().expect("no panic") = None;
            idle(&changed).await;
            let after = changed.process::<later::Visits>(&guest).await;
            let after = after.expect("reads").expect("it has begun");
            assert_eq!(after.state.count, 30);
            assert_eq!(parked(&changed, "visits").await, []);
        }
    })
    .await;
}
