//! The cost of a process with nothing to do, in round trips to the database.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cqrs_core::prelude::*;
use cqrs_postgres::Postgres;

use crate::outage::proxy::Proxy;
use crate::support::postgres::Schema;

/// Many followers of one log.
mod clocks {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ticked", version = 1)]
    pub struct Ticked {}

    #[command_handler]
    fn tick(_: Tick) -> Ticked {
        Ticked {}
    }

    macro_rules! follow {
        ($($projection:ident $name:literal $view:ident $reaction:ident;)*) => {$(
            #[derive(ReadModel, Clone, Serialize, Deserialize)]
            pub struct $view {
                #[key]
                pub id: u32,
            }

            pub struct $projection;

            #[projection(name = $name, version = 1)]
            impl $projection {
                #[on]
                fn ticked(_: &Ticked, views: &mut Views<$view>) {
                    views.put($view { id: 1 });
                }
            }

            #[event_handler]
            fn $reaction(_: Ticked) {}
        )*};
    }

    follow! {
        Hours "hours" Hour chime;
        Minutes "minutes" Minute swing;
        Seconds "seconds" Second click;
        Days "days" Day wind;
        Years "years" Year clean;
        Alarms "alarms" Alarm ring;
    }
}

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Round trips per second of all workers together.
const MAX_RATE: f64 = 5.0;

#[tokio::test(flavor = "multi_thread")]
async fn thirteen_workers_with_nothing_to_do_ask_five_times_a_second_at_most() {
    const TEST: &str = "thirteen_workers_with_nothing_to_do_ask_five_times_a_second_at_most";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    // Each connection begins with a message that names the user.
    let (proxy, waits) = Proxy::counting_waits(schema.url(), "user").await;
    let store = schema.options().connect(&proxy.url(schema.url())).await;
    let builder = Dispatcher::builder().module(clocks::module());
    let builder = builder.store(store.expect("it connects")).schedules();
    let app = builder.build().await.expect("builds");
    // They wait in memory, and in an index that nobody reads.
    for _ in 0..100 {
        let later = app.schedule(clocks::Tick).after(LONG * 60);
        later.await.expect("is scheduled");
    }
    app.execute(clocks::Tick).await.expect("it ticks");
    app.wait_until_idle(LONG).await.expect("comes to rest");
    assert_eq!(app.health().subscriptions.len(), 13);
    // What the work has left behind.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let began = Instant::now();
    waits.store(0, Ordering::Relaxed);
    // The time in which nothing happens is what is measured.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let asked = waits.load(Ordering::Relaxed);
    let rate = f64::from(u32::try_from(asked).expect("few")) / began.elapsed().as_secs_f64();
    println!("{asked} round trips, {rate:.1} a second");
    assert!(rate <= MAX_RATE, "{asked} round trips, {rate:.1} a second");
    assert!(asked > 0, "nobody looks for the events of other processes");
    // And all of them are awake.
    let other = schema.options().connect(schema.url()).await;
    let builder = Dispatcher::builder().module(clocks::module());
    let builder = builder.store(other.expect("it connects"));
    let other = builder.build().await.expect("builds");
    other.execute(clocks::Tick).await.expect("it ticks");
    app.wait_until_idle(LONG).await.expect("comes to rest");
}
