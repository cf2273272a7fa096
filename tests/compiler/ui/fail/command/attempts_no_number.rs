use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(attempts = "once")]
struct ChargeCard {
    order: u64,
}

fn main() {}
