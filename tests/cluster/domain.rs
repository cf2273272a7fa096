//! Counters that go up by one. Each step is echoed, by a reaction.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Step {
    #[id(Counter)]
    pub counter: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Echo {
    pub counter: u32,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(name = "stepped", version = 1)]
pub struct Stepped {
    #[id(Counter)]
    pub counter: u32,
    /// One more than that of the counter's last step, by the decision.
    pub number: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "echoed", version = 1)]
pub struct Echoed {
    #[id(Counter)]
    pub counter: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    steps: u64,
}

#[aggregate(id = u32)]
impl Counter {
    #[apply]
    fn stepped(&mut self, event: &Stepped) {
        self.steps = event.number;
    }
}

#[command_handler]
fn step(Step { counter }: Step, state: &Counter) -> Stepped {
    let number = state.steps + 1;
    Stepped { counter, number }
}

#[command_handler]
fn echo(Echo { counter }: Echo) -> Echoed {
    Echoed { counter }
}

#[event_handler(partition = "counter")]
async fn echoing(event: Stepped, app: &Dispatcher) -> Result<()> {
    let counter = event.counter;
    app.execute(Echo { counter }).await?;
    Ok(())
}

/// What a replay of the log has to lead to as well.
#[derive(ReadModel, Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Count {
    #[key]
    pub counter: u32,
    pub steps: u64,
    pub echoes: u64,
    /// A sum over the positions of the events, each multiplied by its number.
    pub checksum: u64,
}

impl Count {
    pub fn change(&mut self, position: Position, is_echo: bool) {
        let count = if is_echo {
            &mut self.echoes
        } else {
            &mut self.steps
        };
        *count += 1;
        let number = self.steps + self.echoes;
        self.checksum = self.checksum.wrapping_add(number * position.get());
    }
}

pub struct Counts;

#[projection(name = "counts", version = 1)]
impl Counts {
    #[on]
    fn stepped(event: &Stepped, recorded: &Recorded, counts: &mut Views<Count>) -> Result<()> {
        change(event.counter, recorded, counts, false)
    }

    #[on]
    fn echoed(event: &Echoed, recorded: &Recorded, counts: &mut Views<Count>) -> Result<()> {
        change(event.counter, recorded, counts, true)
    }
}

fn change(
    counter: u32,
    recorded: &Recorded,
    counts: &mut Views<Count>,
    is_echo: bool,
) -> Result<()> {
    let mut view = counts.get(&counter)?.unwrap_or(Count {
        counter,
        ..Count::default()
    });
    view.change(recorded.position, is_echo);
    counts.put(view);
    Ok(())
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<Count>)]
pub struct CountOf {
    pub counter: u32,
}

#[query_handler]
async fn count_of(CountOf { counter }: CountOf, counts: Read<Count>) -> Result<Option<Count>> {
    counts.get(&counter).await
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<Count>)]
pub struct AllCounts;

#[query_handler]
async fn all_counts(_: AllCounts, counts: Read<Count>) -> Result<Vec<Count>> {
    counts.find().all().await
}
