//! Counts the heap allocations of one dispatch, in a process of its own, since a counting allocator
//! slows down contenders that allocate.

use std::alloc::System;

use cqrs_benches::dispatch::contenders;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TIMES: u64 = 1_000;

fn main() -> cqrs_benches::Result<()> {
    let mut counts = serde_json::Map::new();
    for mut contender in contenders()? {
        // Allocations at the first message only are not part of a dispatch.
        (contender.send)(TIMES);
        let region = Region::new(ALLOCATOR);
        (contender.send)(TIMES);
        let each = region.change().allocations as f64 / TIMES as f64;
        counts.insert(contender.name.to_owned(), each.into());
    }
    eprintln!("{}", serde_json::Value::from(counts));
    Ok(())
}
