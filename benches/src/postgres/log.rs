//! A long log, written once and used by several workloads.

use super::database::{Database, block_on};
use super::ours;
use crate::Result;
use crate::domain::FillCourses;

/// Our store with many events, each with two tags.
pub struct Log {
    pub url: String,
    pub events: u32,
    /// Number of tags.
    pub tags: u32,
}

/// Number of events per command while the log is filled, and of commands in progress.
const BATCH: u32 = 1_000;
const WRITERS: u32 = 8;

impl Log {
    /// Fills the log through the store, like all other workloads.
    pub fn write(quick: bool, database: &Database) -> Result<Self> {
        let events = if quick { 100_000 } else { 1_000_000 };
        let (url, pairs) = (database.fresh()?, events / 10);
        block_on(fill(&url, events, pairs))?;
        database.settle()?;
        Ok(Self {
            url,
            events,
            tags: 2 * pairs,
        })
    }
}

async fn fill(url: &str, events: u32, pairs: u32) -> Result<()> {
    let dispatcher = ours::builder(url).await?.build().await?;
    let writers = (0..WRITERS).map(|writer| {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move {
            for batch in (writer..events / BATCH).step_by(WRITERS as usize) {
                let fill = FillCourses {
                    first: batch * BATCH,
                    events: BATCH,
                    pairs,
                };
                dispatcher.execute(fill).await?;
            }
            Ok::<_, crate::Error>(())
        })
    });
    let writers: Vec<_> = writers.collect();
    for writer in writers {
        writer.await??;
    }
    Ok(())
}
