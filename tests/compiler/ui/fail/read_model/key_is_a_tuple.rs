use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct SeatView {
    #[key]
    seat: (u32, char),
}

fn main() {}
