//! What the compile errors say to write compiles: each part follows one note.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use cqrs_core::prelude::*;

trait Mailer: Send + Sync {}

struct Smtp;

impl Mailer for Smtp {}

fn a_text() -> Result<(), String> {
    Err("no".to_owned())
}

fn a_boxed_error() -> Result<(), Box<dyn StdError>> {
    Err("no".into())
}

fn a_boxed_error_to_send() -> Result<(), Box<dyn StdError + Send + Sync>> {
    Err("no".into())
}

// A text rejects a command that names no error.
#[derive(Command, Clone, Serialize, Deserialize)]
struct RejectWithText {}

#[command_handler]
fn reject(_: RejectWithText) -> Result<(), Rejected> {
    a_text().map_err(Rejected::from)?;
    Ok(())
}

// An error of the command's own.
#[derive(Debug, thiserror::Error)]
#[error("the hall is full")]
struct Full;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Full)]
struct TakeSeat {}

// What failed rather than rejects.
#[command_handler]
fn take(_: TakeSeat, _mailer: Service<dyn Mailer>) -> Result<(), CommandError<Full>> {
    std::fs::read("seats").map_err(CommandError::failed)?;
    a_text().map_err(Error::message).map_err(CommandError::failed)?;
    a_boxed_error()
        .map_err(Error::message)
        .map_err(CommandError::failed)?;
    a_boxed_error_to_send()
        .map_err(Error::other)
        .map_err(CommandError::failed)?;
    Err(CommandError::Rejected(Full))
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountSeats {}

#[query_handler]
fn count(_: CountSeats, _mailer: Service<dyn Mailer>) -> Result<u32> {
    std::fs::read("seats")?;
    a_text().map_err(cqrs_core::Error::message)?;
    a_boxed_error().map_err(cqrs_core::Error::message)?;
    a_boxed_error_to_send().map_err(cqrs_core::Error::other)?;
    Ok(7)
}

// A struct of one's own in place of a tuple.
#[derive(Clone, Serialize, Deserialize)]
struct SeatId(u32, char);

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seat-taken", version = 1)]
struct SeatTaken {
    #[id(Seat)]
    seat: SeatId,
    // An `Option` of ids is a collection of them.
    #[id("guest", each)]
    guest: Option<u32>,
}

#[derive(Default)]
struct Seat;

#[aggregate(id = SeatId)]
impl Seat {
    #[apply]
    fn taken(&mut self, _: &SeatTaken) {}
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct SeatView {
    #[key]
    seat: SeatId,
}

// The builder takes the `Arc` of a service.
fn main() {
    let mailer: Arc<dyn Mailer> = Arc::new(Smtp);
    let _ = Dispatcher::builder().provide::<dyn Mailer>(mailer);
}
