//! mediator, used as in its README: functions as handlers, nothing deferred.

use std::time::Duration;

use mediator::{AsyncMediator, DefaultAsyncMediator, DefaultMediator, Mediator, Request};

use super::runtime;
use crate::timed;

struct Add {
    a: u64,
    b: u64,
}

impl Request<u64> for Add {}

pub fn send_sync() -> Box<dyn FnMut(u64) -> Duration> {
    let add = |request: Add| request.a.wrapping_add(request.b);
    let mut mediator = DefaultMediator::builder().add_handler_fn(add).build();
    Box::new(move |times| timed!(times, a => mediator.send(Add { a, b: 1 }).ok()))
}

pub fn send_async() -> crate::Result<Box<dyn FnMut(u64) -> Duration>> {
    let runtime = runtime()?;
    let add = |request: Add| async move { request.a.wrapping_add(request.b) };
    // Its builder blocks in place, which only Tokio's multi-threaded runtime allows.
    let wiring = tokio::runtime::Builder::new_multi_thread().build()?;
    let wire = async { DefaultAsyncMediator::builder().add_handler_fn(add).build() };
    let mut mediator = wiring.block_on(wire);
    Ok(Box::new(move |times| {
        runtime.block_on(async { timed!(times, a => mediator.send(Add { a, b: 1 }).await.ok()) })
    }))
}
