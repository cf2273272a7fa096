//! The baseline: a call that is not inlined.

use std::time::Duration;

use crate::timed;

#[derive(Clone, Copy)]
struct Add {
    a: u64,
    b: u64,
}

#[inline(never)]
fn add(message: Add) -> u64 {
    message.a.wrapping_add(message.b)
}

pub fn send() -> Box<dyn FnMut(u64) -> Duration> {
    Box::new(|times| timed!(times, a => add(Add { a, b: 1 })))
}
