// A bell that rings, for the program `schedule-process` and the test that kills it.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Ring {
    pub bell: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "rung", version = 1)]
pub struct Rung {
    pub bell: u32,
}

#[command_handler]
fn ring(Ring { bell }: Ring) -> Rung {
    Rung { bell }
}
