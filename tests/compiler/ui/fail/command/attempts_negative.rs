use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(attempts = -1)]
struct ChargeCard {
    order: u64,
}

fn main() {}
