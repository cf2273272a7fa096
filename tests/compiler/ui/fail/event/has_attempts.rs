use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "counted", version = 1, attempts = 1)]
struct Counted {}

fn main() {}
