use std::time::{Duration, Instant};

use cqrs_core::dispatcher::{Health, SubscriptionState};
use cqrs_core::{Dispatcher, Position};

/// How often to look.
const STEP: Duration = Duration::from_millis(5);

/// How long to wait without any progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until all projections and reactions have everything up to this position, so that nothing
/// is left to do for the next run.
///
/// # Errors
/// What keeps them, when they go no further.
pub async fn settle(dispatcher: &Dispatcher, position: Position) -> Result<(), String> {
    let mut least = Position::START;
    let mut since = Instant::now();
    loop {
        let health = dispatcher.health();
        let Some(slowest) = health.subscriptions.iter().map(|it| it.position).min() else {
            return Ok(());
        };
        if slowest >= position {
            return Ok(());
        }
        if slowest > least {
            (least, since) = (slowest, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            return Err(behind(&health, position));
        }
        tokio::time::sleep(STEP).await;
    }
}

fn behind(health: &Health, position: Position) -> String {
    let late = health
        .subscriptions
        .iter()
        .filter(|it| it.position < position);
    let lines = late.map(|it| match &it.state {
        SubscriptionState::Running => format!("`{}` is at {} of {position}", it.name, it.position),
        SubscriptionState::Failing { error, .. } => error.clone(),
    });
    lines.collect::<Vec<_>>().join("; ")
}
