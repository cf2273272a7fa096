use cqrs_core::prelude::*;

#[query_handler]
fn count() -> u32 {
    0
}

fn main() {}
