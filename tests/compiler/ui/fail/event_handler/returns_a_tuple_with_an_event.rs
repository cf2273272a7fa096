use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Reward;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "money-deposited", version = 1)]
struct MoneyDeposited;

#[event_handler]
fn reward(event: MoneyDeposited) -> (Reward, MoneyDeposited) {
    (Reward, event)
}

fn main() {}
