//! A rebuild that has stopped, or is in a process that does.

use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::app::Rebuild;
use cqrs_core::error::OperationError;
use futures_util::future::join;
use tokio::time::timeout;

use crate::support::stores::on_each_twice;

/// What both programs have in common.
mod gauges {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The gauges whose events cannot be read for some time, as with an upcaster that is wrong: the code of the
    /// projection is the same when it is repaired.
    static UNREADABLE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    pub fn unreadable() -> MutexGuard<'static, BTreeSet<u32>> {
        UNREADABLE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Raise {
        pub gauge: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "gauge-raised", version = 1)]
    pub struct GaugeRaised {
        pub gauge: u32,
    }

    #[command_handler]
    fn raise(Raise { gauge }: Raise) -> GaugeRaised {
        GaugeRaised { gauge }
    }
}

/// A program, by its version.
macro_rules! program {
    ($name:ident, $version:tt) => {
        mod $name {
            use cqrs_core::prelude::*;

            use super::gauges::{GaugeRaised, unreadable};

            cqrs_core::module!();

            #[derive(ReadModel, Clone, Serialize, Deserialize)]
            pub struct Gauge {
                #[key]
                pub gauge: u32,
                pub level: u32,
            }

            pub struct Gauges;

            #[projection(name = "gauges", version = $version)]
            impl Gauges {
                #[on]
                fn raised(
                    GaugeRaised { gauge }: &GaugeRaised,
                    gauges: &mut Views<Gauge>,
                ) -> Result<()> {
                    let is_unreadable = unreadable().contains(gauge);
                    ensure!(!is_unreadable, Error::message("it is unreadable"));
                    let gauge = *gauge;
                    let first = || Gauge { gauge, level: 1 };
                    gauges.upsert(&gauge, first, |gauge| gauge.level += 1)
                }
            }
        }
    };
}

program!(first, 1);
program!(second, 2);

use gauges::{Raise, unreadable};

const NAME: &str = "gauges";

/// Time that no test needs.
const LIMIT: Duration = Duration::from_secs(60);

async fn raise(app: &Dispatcher, gauge: u32) {
    let raised = app.execute(Raise { gauge }).await.expect("is raised");
    let caught_up = app.wait_until_caught_up(raised.last(), LIMIT).await;
    caught_up.expect("is handled");
}

async fn rebuild(app: &Dispatcher) -> Rebuild<'_> {
    app.subscriptions().rebuild(NAME).await.expect("begins")
}

/// Waits until it is over.
async fn finish(mut rebuild: Rebuild<'_>) -> Result<(), OperationError> {
    let over = async {
        while let Some(progress) = rebuild.next().await {
            progress?;
        }
        Ok(())
    };
    timeout(LIMIT, over).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_has_stopped_goes_on_with_the_next_one() {
    const GAUGE: u32 = 1;
    on_each_twice(gauges::module(), async |[one, _]| {
        let app = one.module(first::module()).retry_for(Duration::ZERO);
        let app = app.build().await.expect("builds");
        raise(&app, GAUGE).await;
        unreadable().insert(GAUGE);
        for _ in 0..2 {
            let stopped = finish(rebuild(&app).await).await;
            let error = stopped.expect_err("the event fails");
            assert!(matches!(error, OperationError::Stopped { .. }), "{error}");
            assert!(error.to_string().contains("it is unreadable"), "{error}");
        }
        unreadable().remove(&GAUGE);
        finish(rebuild(&app).await).await.expect("is built");
        assert!(app.health().is_ok(), "{:?}", app.health());
    })
    .await;
}

/// One whose event fails would neither end nor get further.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_ends_with_its_process() {
    const GAUGE: u32 = 2;
    on_each_twice(gauges::module(), async |[one, other]| {
        let live = one.module(first::module()).build().await.expect("builds");
        raise(&live, GAUGE).await;
        unreadable().insert(GAUGE);
        let new = other.module(second::module()).build().await;
        let new = new.expect("builds");
        for app in [&new, &live] {
            let rebuild = rebuild(app).await;
            let (ended, _) = join(finish(rebuild), app.shutdown(Duration::ZERO)).await;
            let error = ended.expect_err("it is not built");
            assert!(matches!(error, OperationError::ShutDown), "{error}");
        }
        unreadable().remove(&GAUGE);
    })
    .await;
}
