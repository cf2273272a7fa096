use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seat-taken", version = 1)]
struct SeatTaken {
    #[id("seat")]
    seat: (u32, char),
}

fn main() {}
