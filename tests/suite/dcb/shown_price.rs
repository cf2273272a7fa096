//! A customer pays the price that was shown: the one of now, or one that was valid until at most
//! ten minutes ago. The price of one product, the order of another aggregate.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cqrs_core::prelude::*;

use crate::support::race;
use crate::support::stores::on_each_with;

cqrs_core::module!();

const GRACE_SECONDS: i64 = 600;

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct SetPrice {
    #[id(Price)]
    pub product: String,
    pub cents: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Stale)]
pub struct Order {
    #[id(Price)]
    pub product: String,
    pub shown: u32,
    pub order: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "price-set", version = 1)]
pub struct PriceSet {
    #[id(Price)]
    pub product: String,
    pub cents: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-ordered", version = 1)]
pub struct ProductOrdered {
    #[id(Order)]
    pub order: u32,
    pub product: String,
    pub cents: u32,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the price is {now} now, not {shown}")]
pub struct Stale {
    pub shown: u32,
    pub now: u32,
}

/// Prices with the time from which each was valid.
#[derive(Default)]
pub struct Price(Vec<(Timestamp, u32)>);

#[aggregate(id = String)]
impl Price {
    #[apply]
    fn set(&mut self, event: &PriceSet, recorded: &Recorded) {
        self.0.push((recorded.meta.time, event.cents));
    }

    /// The prices that were valid at some time of the last ten minutes.
    fn shown_lately(&self, now: Timestamp) -> impl Iterator<Item = u32> {
        let replaced = self
            .0
            .iter()
            .skip(1)
            .map(|(time, _)| *time)
            .map(Some)
            .chain([None]);
        let prices = self.0.iter().map(|(_, cents)| *cents).zip(replaced);
        let lately = move |until: &Timestamp| now.as_second() - until.as_second() <= GRACE_SECONDS;
        prices.filter_map(move |(cents, until)| until.is_none_or(|it| lately(&it)).then_some(cents))
    }
}

#[command_handler]
fn set_price(SetPrice { product, cents }: SetPrice) -> PriceSet {
    PriceSet { product, cents }
}

#[command_handler]
fn order(cmd: Order, price: &Price, context: &Context) -> Result<ProductOrdered, Stale> {
    let Order {
        product,
        shown,
        order,
    } = cmd;
    let now = price.0.last().map_or(0, |(_, cents)| *cents);
    let valid = price
        .shown_lately(context.time())
        .any(|cents| cents == shown);
    ensure!(valid, Stale { shown, now });
    Ok(ProductOrdered {
        order,
        product,
        cents: shown,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_price_shown_is_valid_for_ten_minutes_more() {
    let seconds = Arc::new(AtomicI64::new(0));
    let clock = seconds.clone();
    let with_clock = |builder: cqrs_core::app::Builder| {
        let clock = clock.clone();
        let at = |seconds| Timestamp::from_second(1_700_000_000 + seconds).expect("a time");
        builder.clock(move || at(clock.load(Ordering::SeqCst)))
    };
    on_each_with(module(), with_clock, |app| {
        let seconds = seconds.clone();
        async move {
            seconds.store(0, Ordering::SeqCst);
            let product = || "lamp".to_owned();
            let set = |cents| SetPrice {
                product: product(),
                cents,
            };
            let order = |shown, order| Order {
                product: product(),
                shown,
                order,
            };
            app.execute(set(100)).await.expect("sets");
            // 32 customers saw 100; the price rises while they order. All of them pay 100.
            let outcomes = race(32, |number| {
                let app = app.clone();
                let number = u32::try_from(number).expect("a small number");
                let (set, order) = (set(120), order(100, number));
                async move {
                    match number {
                        16 => app.execute(set).await.map_err(|error| error.to_string()),
                        _ => app.execute(order).await.map_err(|error| error.to_string()),
                    }
                }
            })
            .await;
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");

            seconds.store(GRACE_SECONDS, Ordering::SeqCst);
            app.execute(order(100, 100))
                .await
                .expect("is within the ten minutes");
            seconds.store(GRACE_SECONDS + 1, Ordering::SeqCst);
            let late = app.execute(order(100, 101)).await.expect_err("is too late");
            assert_eq!(
                late.rejected(),
                Some(Stale {
                    shown: 100,
                    now: 120
                })
            );
            app.execute(order(120, 102))
                .await
                .expect("is the price of now");
        }
    })
    .await;
}
