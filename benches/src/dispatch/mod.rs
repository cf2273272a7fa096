//! The cost of routing a message to its handler, in memory, without any other work.

mod brazier_peer;
mod direct;
mod medi_peer;
mod mediator_peer;
mod ours;

use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::args::Args;
use crate::cargo::{self, Profile};
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::runs::Runs;

/// A contender, which routes the message `Add` to a function that adds.
pub struct Contender {
    pub name: &'static str,
    /// Sends this number of messages. Returns the time that it took.
    pub send: Box<dyn FnMut(u64) -> Duration>,
}

const DIRECT: &str = "direct call of a function";
const OURS: &str = "ours, `query` with a sync handler";
const OURS_ASYNC: &str = "ours, `query` with an async handler";
const MEDI: &str = "medi-rs 3.2, static mediator";
const MEDIATOR: &str = "mediator 0.2, DefaultMediator";
const MEDIATOR_ASYNC: &str = "mediator 0.2, DefaultAsyncMediator";
const BRAZIER: &str = "brazier 0.1";

/// All contenders, wired.
pub fn contenders() -> Result<Vec<Contender>> {
    Ok(vec![
        Contender {
            name: DIRECT,
            send: direct::send(),
        },
        Contender {
            name: OURS,
            send: ours::send_sync()?,
        },
        Contender {
            name: OURS_ASYNC,
            send: ours::send_async()?,
        },
        Contender {
            name: MEDI,
            send: medi_peer::send()?,
        },
        Contender {
            name: MEDIATOR,
            send: mediator_peer::send_sync(),
        },
        Contender {
            name: MEDIATOR_ASYNC,
            send: mediator_peer::send_async()?,
        },
        Contender {
            name: BRAZIER,
            send: brazier_peer::send()?,
        },
    ])
}

/// Measures all contenders in turn, several times, so that disturbances of the machine affect them
/// equally.
pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let (rounds, batch) = if args.quick {
        (11, 100_000)
    } else {
        (101, 200_000)
    };
    let mut contenders = contenders()?;
    let mut figures = vec![Runs::default(); contenders.len()];
    for round in 0..=rounds {
        for (contender, runs) in contenders.iter_mut().zip(&mut figures) {
            let took = (contender.send)(batch);
            // The first round only warms up.
            if round > 0 {
                runs.push(took.as_nanos() as f64 / batch as f64);
            }
        }
    }
    let allocations = allocations()?;
    let figure = |name: &str| {
        let place = contenders
            .iter()
            .position(|contender| contender.name == name);
        place.map_or(f64::NAN, |place| figures[place].median())
    };
    let (ours, medi) = (figure(OURS), figure(MEDI));
    for (contender, runs) in contenders.iter().zip(&figures) {
        let mut row = Row::new("dispatch", contender.name, "ns", runs.clone());
        row.allocations = allocations[contender.name].as_f64();
        report.row(row.against("medi-rs", medi));
    }
    report.goal(Goal::at_most(
        "query",
        "sync `query` against medi-rs",
        ours / medi,
        1.05,
        "x",
    ));
    let own = allocations[OURS].as_f64().unwrap_or(f64::NAN);
    report.goal(Goal::at_most(
        "query-allocations",
        "allocations of a sync `query`",
        own,
        0.0,
        "each",
    ));
    report.note(
        "dispatch: one message of two numbers in, one number out, 200 000 in a row inside one \
         `block_on`; a run is one such batch, and the contenders take turns. medi-rs without \
         resources and decorators, mediator without interceptors. Allocations are counted in a \
         process of their own, so that counting does not slow anyone down.",
    );
    Ok(())
}

/// The number of allocations, counted by the program `allocations`.
fn allocations() -> Result<serde_json::Value> {
    let folder = cargo::build("", Profile::Release, &["--bin", "allocations"])?;
    cargo::figures(&mut Command::new(folder.join("allocations")))
}

/// Times a loop over an expression, whose inputs and outcome the compiler must not know.
#[macro_export]
macro_rules! timed {
    ($times:expr, $number:ident => $send:expr) => {{
        let start = ::std::time::Instant::now();
        for $number in 0..$times {
            let $number = ::std::hint::black_box($number);
            let _ = ::std::hint::black_box($send);
        }
        start.elapsed()
    }};
}

/// Waits for a future on this thread.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?)
}
