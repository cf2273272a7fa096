//! medi-rs, used as in its README: a static mediator without resources, decorators and runtime. Its
//! error is the default, which cannot happen.

use std::convert::Infallible;
use std::time::Duration;

use medi_rs::{MediCommand, medi_handler, medi_module, mediator};

use super::runtime;
use crate::timed;

#[derive(MediCommand)]
#[medi_command(return_type = u64)]
struct Add {
    a: u64,
    b: u64,
}

#[medi_handler]
async fn add(command: Add) -> Result<u64, Infallible> {
    Ok(command.a.wrapping_add(command.b))
}

medi_module! {
    manifest sums;
    commands { Add => add; }
}

mediator! {
    struct Sums {
        event_queue_capacity: 16;
        event_workers: 1;
        modules: [sums];
    }
}

pub fn send() -> crate::Result<Box<dyn FnMut(u64) -> Duration>> {
    let runtime = runtime()?;
    let mediator = Sums::builder().build();
    Ok(Box::new(move |times| {
        runtime.block_on(async { timed!(times, a => mediator.send(Add { a, b: 1 }).await.ok()) })
    }))
}
