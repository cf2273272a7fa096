use cqrs_core::prelude::*;

#[process_manager(name = "checkout", id(Order = u32))]
#[derive(Default, Serialize, Deserialize)]
struct Checkout {
    paid: bool,
}

fn main() {}
