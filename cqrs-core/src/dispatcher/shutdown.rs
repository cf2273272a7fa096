use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::process::InstanceTable;
use super::{Dispatcher, Inner};
use crate::store::{EventLogExt, Position, Shard, StoreError};
use crate::subscription::{
    Progress, SHUT_DOWN, SubscriptionHealth, SubscriptionKind, SubscriptionState,
};

/// The pauses between two looks at what another process does.
const MIN_LOOK_PAUSE: Duration = Duration::from_millis(2);
const MAX_LOOK_PAUSE: Duration = Duration::from_millis(50);

const STOPPED_EARLY: &str = "the dispatcher was shut down before it had finished";

/// The work that had not finished when [`Dispatcher::shutdown`] or [`Dispatcher::wait_until_idle`]
/// gave up.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unfinished {
    /// The command handler, projection or reaction that awaited the call. It would have waited for
    /// its own end, so the call was refused and had no effect. `None` for calls outside of
    /// handlers.
    pub handler: Option<&'static str>,
    /// Time that the call waited.
    pub waited: Duration,
    /// The head of the log, as far as this process knows.
    pub head: Position,
    /// Number of commands in progress.
    pub commands: usize,
    /// The projections and reactions that had not finished.
    pub subscriptions: Vec<SubscriptionHealth>,
    /// The store's error, if the head of the log could not be read.
    pub store: Option<StoreError>,
}

impl Dispatcher {
    /// Shuts the dispatcher down. From now on, commands and queries fail with
    /// [`Failure::ShutDown`](crate::error::Failure::ShutDown). Commands in progress finish, and so
    /// do reactions, with the commands that they send; events that no reaction has begun to handle
    /// are left for the next start. Then projections bring read models up to the head, and all
    /// workers stop.
    ///
    /// Waits for at most `grace`. Work that has not finished by then is stopped: a projection
    /// resumes from its checkpoint at the next start, a reaction handles its event again, and a
    /// command in progress is carried out completely or not at all. A second call is harmless: it
    /// waits for the same work, with its own `grace`.
    ///
    /// # Errors
    /// [`Unfinished`] if some work has not finished in time. Immediately, and without any effect,
    /// if a handler of this dispatcher awaits the call.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), Unfinished> {
        let inner = &self.inner;
        inner.check_outside_of_handlers()?;
        let started = Instant::now();
        let left = || grace.saturating_sub(started.elapsed());
        inner.lifecycle.drain();
        // Reactions end after the commands that they send, so the commands left are the program's.
        for kind in [SubscriptionKind::Reaction, SubscriptionKind::ProcessManager] {
            for worker in inner.workers_of(kind) {
                let _ = timeout(left(), worker.ended()).await;
            }
        }
        let _ = timeout(left(), inner.lifecycle.idle()).await;
        let known = inner.log.heads().position();
        let (head, store) = match timeout(left(), inner.log.head()).await {
            Ok(Ok(head)) => (head, None),
            Ok(Err(error)) => (known, Some(error)),
            Err(_) => (known, None),
        };
        inner.lifecycle.finish(head);
        for worker in inner.workers_of(SubscriptionKind::Projection) {
            let _ = worker.wait_for(head, left()).await;
        }
        for worker in inner.workers_of(SubscriptionKind::Projection) {
            let _ = timeout(left(), worker.ended()).await;
        }
        let unfinished =
            inner.unfinished(
                started.elapsed(),
                head,
                store,
                |subscription| match &subscription.state {
                    SubscriptionState::Ended { reason } if reason == SHUT_DOWN => false,
                    SubscriptionState::Ended { .. } => {
                        subscription.kind == SubscriptionKind::Projection
                            && subscription.position < head
                    }
                    _ => true,
                },
            );
        for worker in &inner.workers {
            worker.mark_ended(STOPPED_EARLY);
        }
        if let Some(workers) = &self.workers {
            workers.end(left()).await;
        }
        match unfinished {
            Unfinished {
                commands: 0,
                subscriptions,
                store: None,
                ..
            } if subscriptions.is_empty() => Ok(()),
            unfinished => Err(unfinished),
        }
    }

    /// Waits until the dispatcher is idle: no command is in progress, and projections and reactions
    /// have handled every event, including those that reactions caused in the meantime, and those of
    /// [released](super::Subscriptions::release) ids. Nobody is about to handle those of parked ids, so
    /// they do not count. Returns the head at that moment. For tests, and for programs that end when their
    /// work is done.
    ///
    /// # Errors
    /// [`Unfinished`] if some work is not done after `limit`, or a worker has stopped. An endless
    /// chain of reactions never becomes idle. Immediately, if a handler of this dispatcher awaits
    /// the call.
    pub async fn wait_until_idle(&self, limit: Duration) -> Result<Position, Unfinished> {
        self.inner.check_outside_of_handlers()?;
        let started = Instant::now();
        let store = match timeout(limit, self.inner.rest()).await {
            Ok(Ok(head)) => return Ok(head),
            Ok(Err(NotIdle::Stopped)) | Err(_) => None,
            Ok(Err(NotIdle::Store(error))) => Some(error),
        };
        let head = self.inner.log.heads().position();
        let waited = started.elapsed();
        Err(self.inner.unfinished(waited, head, store, |subscription| {
            subscription.position < head || !subscription.is_ok()
        }))
    }
}

/// Why the dispatcher will not become idle.
enum NotIdle {
    /// A worker has ended, or is halted.
    Stopped,
    Store(StoreError),
}

impl Inner {
    /// Refuses a call from a handler, which would wait for its own end.
    fn check_outside_of_handlers(&self) -> Result<(), Unfinished> {
        let Some(handler) = self.decisions.running_handler() else {
            return Ok(());
        };
        let head = self.log.heads().position();
        Err(Unfinished {
            handler: Some(handler),
            ..self.unfinished(Duration::ZERO, head, None, |_| false)
        })
    }

    /// Waits until the dispatcher is idle, and returns the head.
    async fn rest(&self) -> Result<Position, NotIdle> {
        loop {
            self.lifecycle.idle().await;
            let head = self.log.head().await.map_err(NotIdle::Store)?;
            for worker in &self.workers {
                let reached = worker.wait_for(head, Duration::MAX).await;
                reached.map_err(|_| NotIdle::Stopped)?;
                settle_released(worker).await?;
                self.settle_instances(worker).await?;
            }
            for answering in self.answering.iter().flatten() {
                answering.settled_or_held().await;
            }
            // A reaction's position moves after its commands: if they recorded anything, the head
            // is no longer the one that was waited for.
            let is_idle = self.lifecycle.commands() == 0;
            if is_idle && self.log.head().await.map_err(NotIdle::Store)? == head {
                return Ok(head);
            }
        }
    }

    /// Waits until the instances of a process manager have sent their commands, and what is due has happened. Its
    /// position has moved before that, and another process may do it.
    async fn settle_instances(&self, worker: &Progress) -> Result<(), NotIdle> {
        if worker.kind() != SubscriptionKind::ProcessManager {
            return Ok(());
        }
        let table = InstanceTable::new(worker.stored_name(), worker.views().clone());
        let mut pause = MIN_LOOK_PAUSE;
        loop {
            let parked = match worker.views().view_capabilities().shards {
                Some(shards) => {
                    let parked = shards.parked(Shard::whole(worker.subscription())).await;
                    parked.map_err(NotIdle::Store)?
                }
                None => Vec::new(),
            };
            let now = self.decisions.now().map_err(|_| NotIdle::Stopped)?;
            let is_busy = table.is_busy(now, &parked).await;
            if !is_busy.map_err(NotIdle::Store)? {
                return Ok(());
            }
            if worker.has_ended() {
                return Err(NotIdle::Stopped);
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_LOOK_PAUSE);
        }
    }

    fn unfinished(
        &self,
        waited: Duration,
        head: Position,
        store: Option<StoreError>,
        is_unfinished: impl Fn(&SubscriptionHealth) -> bool,
    ) -> Unfinished {
        let subscriptions = self.workers.iter().map(Progress::health);
        Unfinished {
            handler: None,
            waited,
            head,
            commands: self.lifecycle.commands(),
            subscriptions: subscriptions.filter(is_unfinished).collect(),
            store,
        }
    }
}

/// Waits until the events of released keys are handled, or fail again.
async fn settle_released(worker: &Progress) -> Result<(), NotIdle> {
    let shards = worker.views().view_capabilities().shards;
    let Some(shards) = shards.filter(|_| worker.can_park()) else {
        return Ok(());
    };
    while !worker.has_none_parked() {
        // Before they are read, so that no change is missed in between.
        let moves = worker.moves();
        let whole = Shard::whole(worker.subscription());
        let mut released = shards.parked(whole).await.map_err(NotIdle::Store)?;
        released.retain(|key| key.is_released);
        if released.is_empty() {
            break;
        }
        // As it is stored: another process may have paused it, or had it go on.
        let stored = shards.shards(worker.subscription().to_owned()).await;
        let is_halted = stored.map_err(NotIdle::Store)?.iter().any(|state| {
            let slices = state.shard.slices;
            state.halt.is_some() && released.iter().any(|key| slices.contains(key.slice()))
        });
        if is_halted || worker.has_ended() {
            return Err(NotIdle::Stopped);
        }
        // Another process may have released them.
        worker.doubt();
        worker.moved_since(moves).await;
    }
    Ok(())
}

impl std::error::Error for Unfinished {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.store.as_ref().map(|store| store as _)
    }
}

crate::debug_as_report!(Unfinished);

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(handler) = self.handler {
            return write!(
                f,
                "`{handler}` would wait for its own end: await `shutdown` and `wait_until_idle` \
                 outside of handlers, or in a task that the handler spawns and does not wait for"
            );
        }
        let mut parts = Vec::new();
        match self.commands {
            0 => {}
            1 => parts.push("1 command is under way".to_owned()),
            commands => parts.push(format!("{commands} commands are under way")),
        }
        for SubscriptionHealth {
            name,
            kind,
            position,
            state,
            ..
        } in &self.subscriptions
        {
            let head = self.head;
            let why = match state.to_string() {
                reason if reason.is_empty() => reason,
                reason => format!(" ({reason})"),
            };
            parts.push(format!(
                "{kind} `{name}` is at position {position} of {head}{why}"
            ));
        }
        if self.store.is_some() {
            parts.push("the head of the log cannot be read".to_owned());
        }
        if parts.is_empty() {
            parts.push("events keep being recorded".to_owned());
        }
        write!(
            f,
            "not finished after {:?}: {}",
            self.waited,
            parts.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_the_store_is_told_once() {
        let reason = "no route to host".into();
        let unfinished = Unfinished {
            handler: None,
            waited: Duration::from_secs(1),
            head: Position::START,
            commands: 0,
            subscriptions: Vec::new(),
            store: Some(StoreError::Unavailable { reason }),
        };
        let text = "not finished after 1s: the head of the log cannot be read";
        assert_eq!(unfinished.to_string(), text);
        let cause = "the store is unavailable: no route to host";
        let report = format!("{text}\n  caused by: {cause}");
        assert_eq!(format!("{unfinished:?}"), report);
    }
}
