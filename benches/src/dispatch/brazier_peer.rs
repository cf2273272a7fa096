//! brazier, used as in its README.

use std::time::Duration;

use brazier::{Mediator, Request, RequestHandler};

use super::runtime;
use crate::timed;

struct Add {
    a: u64,
    b: u64,
}

impl Request<u64> for Add {}

struct Adder;

#[async_trait::async_trait]
impl RequestHandler<Add, u64> for Adder {
    async fn handle(&mut self, request: Add) -> brazier::Result<u64> {
        Ok(request.a.wrapping_add(request.b))
    }
}

pub fn send() -> crate::Result<Box<dyn FnMut(u64) -> Duration>> {
    let runtime = runtime()?;
    let mut mediator = Mediator::new();
    mediator.register_handler(Adder);
    Ok(Box::new(move |times| {
        runtime.block_on(async { timed!(times, a => mediator.send(Add { a, b: 1 }).await.ok()) })
    }))
}
