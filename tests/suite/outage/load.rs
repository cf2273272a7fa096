//! Tasks that write and tasks that follow the log, whatever happens to the database.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::{EventLog, EventQuery, Recorded, StoreError};
use cqrs_kit::Subscription;
use cqrs_postgres::Postgres;
use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use super::history::{Sent, log};
use super::writer::{Writer, account};

/// What writers share.
pub struct Shared {
    /// How many commands were acknowledged.
    pub done: watch::Sender<usize>,
    /// The last position that was acknowledged.
    pub floor: watch::Sender<Position>,
    pub stop: watch::Sender<bool>,
}

pub struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Vec<Sent>>>,
    followers: Vec<JoinHandle<Vec<Arc<Recorded>>>>,
    /// Set to where the log ends, once it does.
    end: watch::Sender<Option<Position>>,
}

impl Load {
    /// So many writers at each of the stores, with two that follow the log: one all of it, one a
    /// part.
    pub fn start(stores: &[Postgres], writers: usize, random: &mut Rng) -> Self {
        let shared = Arc::new(Shared {
            done: watch::Sender::new(0),
            floor: watch::Sender::new(Position::START),
            stop: watch::Sender::new(false),
        });
        let end = watch::Sender::new(None);
        let mut load = Self {
            shared,
            writers: Vec::new(),
            followers: Vec::new(),
            end,
        };
        for store in stores {
            let store: Arc<dyn EventLog> = Arc::new(store.clone());
            for _ in 0..writers {
                let writer = Writer::new(store.clone(), load.shared.clone(), random.fork());
                load.writers.push(tokio::spawn(writer.write()));
            }
            for query in [EventQuery::All, EventQuery::tagged(account(0))] {
                let follow = follow(store.clone(), query, load.end.subscribe());
                load.followers.push(tokio::spawn(follow));
            }
        }
        load
    }

    /// How many commands were acknowledged.
    pub fn done(&self) -> usize {
        *self.shared.done.borrow()
    }

    /// Waits until so many more commands were acknowledged.
    pub async fn progress(&self, more: usize) {
        let mut done = self.shared.done.subscribe();
        let goal = *done.borrow() + more;
        let reached = timeout(PATIENCE, done.wait_for(|done| *done >= goal)).await;
        let _ = reached.expect("the writers go on");
    }

    /// Ends the writers, and then those that follow, who must have seen everything once and in
    /// order; `store` is one without faults. Returns the sent commands and the log.
    pub async fn finish(self, store: &Postgres) -> (Vec<Sent>, Vec<Arc<Recorded>>) {
        self.shared.stop.send_replace(true);
        let mut sent = Vec::new();
        for writer in self.writers {
            sent.extend(finished(writer).await);
        }
        let log = log(store).await;
        self.end.send_replace(Some(Position::new(log.len() as u64)));
        let part: Vec<_> = log
            .iter()
            .filter(|event| event.data.tags.contains(&account(0)))
            .cloned()
            .collect();
        assert!(part.len() > 1, "there is something to follow");
        for (index, follower) in self.followers.into_iter().enumerate() {
            let seen = finished(follower).await;
            let expected = [&log, &part][index % 2];
            let positions = |events: &[Arc<Recorded>]| -> Vec<_> {
                events.iter().map(|event| event.position).collect()
            };
            assert_eq!(
                positions(&seen),
                positions(expected),
                "I4: follower {index}"
            );
            assert_eq!(&seen, expected, "I4: what was seen stays");
        }
        (sent, log)
    }
}

async fn finished<T>(task: JoinHandle<T>) -> T {
    let ended = timeout(PATIENCE, task).await.expect("the task ends");
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Everything that was delivered, up to the end of the log.
async fn follow(
    store: Arc<dyn EventLog>,
    query: EventQuery,
    mut end: watch::Receiver<Option<Position>>,
) -> Vec<Arc<Recorded>> {
    let whole = query == EventQuery::All;
    let mut log = Subscription::new(store, query, Position::START);
    let mut seen = Vec::new();
    loop {
        if let Some(end) = *end.borrow_and_update()
            && log.position() >= end
        {
            assert_eq!(log.position(), end, "nothing is after the end");
            return seen;
        }
        let page = tokio::select! {
            page = log.next(64) => page,
            _ = end.changed() => continue,
        };
        match page {
            Ok(page) => seen.extend(page.events),
            // Nothing tells when the database is back.
            Err(StoreError::Unavailable { .. }) => sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("a follower at {}: {error}", log.position()),
        }
        if whole {
            let last = seen
                .last()
                .map_or(0, |event: &Arc<Recorded>| event.position.get());
            assert_eq!(
                last,
                seen.len() as u64,
                "I3, I4: each position once, in order"
            );
        }
    }
}
