use cqrs_core::prelude::*;

struct Handlers;

#[event_handler]
impl Handlers {}

fn main() {}
