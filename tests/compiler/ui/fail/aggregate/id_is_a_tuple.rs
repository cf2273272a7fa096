use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "hall-opened", version = 1)]
struct HallOpened {
    #[id("seat", each)]
    seats: Vec<u32>,
}

#[derive(Default)]
struct Seat;

#[aggregate(id = (u32, char))]
impl Seat {
    #[apply]
    fn opened(&mut self, _: &HallOpened) {}
}

fn main() {}
