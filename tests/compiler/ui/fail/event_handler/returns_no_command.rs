use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "money-deposited", version = 1)]
struct MoneyDeposited;

#[derive(Clone, Serialize, Deserialize)]
struct Reward;

#[event_handler]
fn reward(_: MoneyDeposited) -> Result<Option<Reward>> {
    Ok(Some(Reward))
}

fn main() {}
