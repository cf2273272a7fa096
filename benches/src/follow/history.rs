//! The log that projections catch up with.

use std::path::Path;
use std::time::{Duration, Instant};

use cqrs_core::app::Builder;
use cqrs_core::{Dispatcher, Memory};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use super::{divided, three};
use crate::domain::{self, FillAccounts};
use crate::postgres::database::{block_on, connect};
use crate::{Result, read_model};

/// Number of events per command while the log is filled.
const BATCH: u32 = 1_000;

/// Time in which every run is over.
const LIMIT: Duration = Duration::from_secs(600);

/// The events: each deposits into the next of the accounts.
#[derive(Clone, Copy, Debug)]
pub struct History {
    pub events: u32,
    pub accounts: u32,
}

/// The projections that fold the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followers {
    One,
    /// One, in this many shards.
    Shards(u16),
    Three,
}

/// The store of a run.
pub enum Place<'p> {
    Memory(Memory),
    Sqlite(&'p Path),
    Postgres(&'p str),
}

impl Place<'_> {
    /// A dispatcher on a store of its own, as in a new process.
    pub async fn builder(&self) -> Result<Builder> {
        let builder = Dispatcher::builder();
        let builder = match self {
            Self::Memory(store) => builder.store(store.clone()),
            Self::Sqlite(file) => builder.store(Sqlite::open(file).await?),
            Self::Postgres(url) => builder.store(Postgres::connect(url).await?),
        };
        Ok(builder.module(domain::module()))
    }
}

impl Followers {
    pub fn label(self) -> String {
        match self {
            Self::One => "one projection".to_owned(),
            Self::Shards(shards) => format!("one projection in {shards} shards"),
            Self::Three => "three projections".to_owned(),
        }
    }

    fn added_to(self, builder: Builder) -> Builder {
        match self {
            Self::One => builder.module(read_model::module()),
            Self::Shards(_) => builder.module(divided::module()),
            Self::Three => builder.module(three::module()),
        }
    }
}

/// Events per second until the projections have caught up with the log. Each event counts once,
/// however many projections fold it.
pub fn catch_up(history: History, followers: Followers, place: &Place<'_>) -> Result<f64> {
    block_on(async {
        if let Followers::Shards(shards) = followers {
            let app = followers.added_to(place.builder().await?).build().await?;
            app.subscriptions().divide("divided", shards).await?;
            app.shutdown(LIMIT).await?;
        }
        fill(history, place).await?;
        let builder = followers.added_to(place.builder().await?);
        let start = Instant::now();
        let app = builder.build().await?;
        let head = app.wait_until_idle(LIMIT).await?;
        let rate = f64::from(history.events) / start.elapsed().as_secs_f64();
        if head.get() != u64::from(history.events) {
            return Err(format!("{head} of {} events are there", history.events).into());
        }
        app.shutdown(LIMIT).await?;
        Ok(rate)
    })
}

async fn fill(history: History, place: &Place<'_>) -> Result<()> {
    let app = place.builder().await?.build().await?;
    let History { events, accounts } = history;
    for first in (0..events).step_by(BATCH as usize) {
        let events = BATCH.min(events - first);
        let fill = FillAccounts {
            first,
            events,
            accounts,
        };
        app.execute(fill).await?;
    }
    app.shutdown(LIMIT).await?;
    if let Place::Postgres(url) = place {
        // As autovacuum does after a while.
        connect(url).await?.batch_execute("VACUUM ANALYZE").await?;
    }
    Ok(())
}
