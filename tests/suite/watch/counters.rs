//! Counters, and the sum of all.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cqrs_core::prelude::*;
use tokio::sync::Notify;
use tokio::task::yield_now;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Count {
    pub counter: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Note {}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "counted", version = 1)]
pub struct Counted {
    #[id("counter")]
    pub counter: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "count-noted", version = 1)]
pub struct CountNoted {}

#[command_handler]
fn count(Count { counter }: Count) -> Counted {
    Counted { counter }
}

#[command_handler]
fn note(_: Note) -> CountNoted {
    CountNoted {}
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Counter {
    #[key]
    pub counter: u32,
    pub times: u64,
}

pub struct Counters;

#[projection(name = "counters", version = 1)]
impl Counters {
    #[on]
    fn counted(event: &Counted, counters: &mut Views<Counter>) -> Result<()> {
        let counter = event.counter;
        let first = || Counter { counter, times: 1 };
        counters.upsert(&counter, first, |it| it.times += 1)
    }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Sum {
    #[key]
    pub of: String,
    pub times: u64,
}

pub struct Sums;

#[projection(name = "sums", version = 1)]
impl Sums {
    #[on]
    fn counted(_: &Counted, sums: &mut Views<Sum>) -> Result<()> {
        let of = "all".to_owned();
        let first = Sum {
            of: of.clone(),
            times: 1,
        };
        sums.upsert(&of, || first, |it| it.times += 1)
    }
}

/// The runs of the handlers of queries.
#[derive(Default)]
pub struct Runs {
    pub count: AtomicU32,
    /// Fail.
    pub fail: AtomicBool,
    /// Wait before they read.
    pub wait: AtomicBool,
    pub go_on: Notify,
    /// Do other things between their read and their answer.
    pub dawdle: AtomicBool,
}

impl Runs {
    async fn begin(&self) -> Result<()> {
        self.count.fetch_add(1, Ordering::SeqCst);
        if self.wait.load(Ordering::SeqCst) {
            self.go_on.notified().await;
        }
        ensure!(
            !self.fail.load(Ordering::SeqCst),
            Error::message("not today")
        );
        Ok(())
    }

    async fn end(&self) {
        if self.dawdle.load(Ordering::SeqCst) {
            for _ in 0..fastrand::u32(..20) {
                yield_now().await;
            }
        }
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct Total;

#[query_handler]
async fn total(_: Total, sums: Read<Sum>, runs: Service<Runs>) -> Result<u64> {
    runs.begin().await?;
    let sum = sums.get(&"all".to_owned()).await?;
    runs.end().await;
    Ok(sum.map_or(0, |sum| sum.times))
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct Of {
    pub counter: u32,
}

impl Validate for Of {
    fn validate(&self) -> Result<(), Invalid> {
        ensure!(self.counter < 100, Invalid::new("counters are below 100"));
        Ok(())
    }
}

#[query_handler]
async fn of(Of { counter }: Of, counters: Read<Counter>) -> Result<u64> {
    Ok(counters.get(&counter).await?.map_or(0, |it| it.times))
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = bool)]
pub struct IsOdd;

#[query_handler]
async fn is_odd(_: IsOdd, sums: Read<Sum>, runs: Service<Runs>) -> Result<bool> {
    runs.begin().await?;
    let sum = sums.get(&"all".to_owned()).await?;
    Ok(sum.is_some_and(|sum| sum.times % 2 == 1))
}

/// As the two projections have it.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = [u64; 2])]
pub struct TotalOfBoth;

#[query_handler]
async fn total_of_both(
    _: TotalOfBoth,
    counters: Read<Counter>,
    sums: Read<Sum>,
) -> Result<[u64; 2]> {
    let counters = counters.find().all().await?;
    let sum = sums.get(&"all".to_owned()).await?;
    Ok([
        counters.iter().map(|it| it.times).sum(),
        sum.map_or(0, |sum| sum.times),
    ])
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct NumberOfRuns;

#[query_handler]
fn number_of_runs(_: NumberOfRuns, runs: Service<Runs>) -> u32 {
    runs.count.load(Ordering::SeqCst)
}
