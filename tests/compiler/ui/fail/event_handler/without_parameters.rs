use cqrs_core::prelude::*;

#[event_handler]
fn announce() {}

fn main() {}
