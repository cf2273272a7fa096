//! This framework.

use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::{Dispatcher, Memory};
use serde::{Deserialize, Serialize};

use super::runtime;
use crate::timed;

cqrs_core::module!();

#[derive(Query, Clone, Copy, Serialize, Deserialize)]
#[query(returns = u64)]
struct Add {
    a: u64,
    b: u64,
}

#[query_handler]
fn add(query: Add) -> u64 {
    query.a.wrapping_add(query.b)
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct AddLater {
    a: u64,
    b: u64,
}

#[query_handler]
async fn add_later(query: AddLater) -> u64 {
    query.a.wrapping_add(query.b)
}

pub fn send_sync() -> crate::Result<Box<dyn FnMut(u64) -> Duration>> {
    let runtime = runtime()?;
    let builder = Dispatcher::builder().store(Memory::new()).module(module());
    let dispatcher = runtime.block_on(builder.build())?;
    Ok(Box::new(move |times| {
        runtime.block_on(async { timed!(times, a => dispatcher.query(Add { a, b: 1 }).await.ok()) })
    }))
}

pub fn send_async() -> crate::Result<Box<dyn FnMut(u64) -> Duration>> {
    let runtime = runtime()?;
    let builder = Dispatcher::builder().store(Memory::new()).module(module());
    let dispatcher = runtime.block_on(builder.build())?;
    Ok(Box::new(move |times| {
        runtime.block_on(async {
            timed!(times, a => dispatcher.query(AddLater { a, b: 1 }).await.ok())
        })
    }))
}
