//! Measures `build()` with a thousand command handlers, each with an aggregate and a service.
//! Prints the durations of the first one of the process and of a later one, as JSON on standard
//! error.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use cqrs_core::prelude::*;
use cqrs_core::{Dispatcher, Memory};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CounterId(u64);

impl fmt::Display for CounterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the counter is as high as it goes")]
pub struct Stopped;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "raised", version = 1)]
pub struct Raised {
    #[id(Counter)]
    counter: CounterId,
    by: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    count: u64,
}

/// Maximum value of a counter.
pub struct Most(u64);

#[aggregate(id = CounterId)]
impl Counter {
    #[apply]
    fn raised(&mut self, event: &Raised) {
        self.count += event.by;
    }
}

impl Counter {
    fn raise(&self, counter: CounterId, by: u64, most: &Most) -> Result<Raised, Stopped> {
        if self.count + by > most.0 {
            Err(Stopped)
        } else {
            Ok(Raised { counter, by })
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/handlers.rs"));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut took = Vec::new();
    for _ in 0..11 {
        let start = Instant::now();
        let builder = Dispatcher::builder()
            .store(Memory::new())
            .provide(Arc::new(Most(1 << 40)));
        let dispatcher = runtime.block_on(builder.build())?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
        drop(dispatcher);
    }
    let first = took.remove(0);
    took.sort_by(f64::total_cmp);
    let later = took[took.len() / 2];
    eprintln!(
        "{}",
        serde_json::json!({ "first_ms": first, "later_ms": later })
    );
    Ok(())
}
