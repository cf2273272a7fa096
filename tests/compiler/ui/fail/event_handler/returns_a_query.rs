use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct Count;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "money-deposited", version = 1)]
struct MoneyDeposited;

#[event_handler]
async fn count(_: MoneyDeposited) -> Vec<Count> {
    vec![Count]
}

fn main() {}
