//! Waits for what happens to parked keys: it takes a moment, and no call tells when it is done.

use std::future::Future;
use std::time::Duration;

use cqrs_core::store::ParkedKey;
use cqrs_core::{Dispatcher, Position};
use tokio::time::{sleep, timeout};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Waits until this holds.
pub async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F, app: &Dispatcher) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = timeout(LONG, wait).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", app.health()));
}

pub async fn parked(app: &Dispatcher, name: &str) -> Vec<ParkedKey> {
    let parked = app.subscriptions().parked(name).await;
    parked.expect("is read")
}

/// Waits until these have this many parked keys.
pub async fn until_parked(app: &Dispatcher, name: &str, count: usize) {
    until(|| async { parked(app, name).await.len() == count }, app).await;
}

/// Waits until one key is parked, at this event. A key that was released and fails after the checkpoint is not
/// parked in between.
pub async fn until_parked_at(app: &Dispatcher, name: &str, first: Position) -> ParkedKey {
    let is_there = || async {
        let parked = parked(app, name).await;
        matches!(&*parked, [key] if !key.is_released && key.first == first)
    };
    until(is_there, app).await;
    parked(app, name).await.remove(0)
}
