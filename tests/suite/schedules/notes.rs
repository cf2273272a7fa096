//! Notes of which somebody is reminded.

use std::collections::BTreeSet;
use std::sync::Mutex;

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Notes that cannot be read for now.
pub static TORN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Notes whose reaction has failed once.
static FAILED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Remind {
    pub note: u32,
    #[serde(default)]
    pub text: String,
}

impl Remind {
    pub fn of(note: u32) -> Self {
        let text = String::new();
        Self { note, text }
    }
}

impl Validate for Remind {
    fn validate(&self) -> Result<(), Invalid> {
        ensure!(self.note > 0, Invalid::field("note", "there is none"));
        Ok(())
    }
}

/// Has a reaction schedule a reminder.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Postpone {
    pub note: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "reminded", version = 1)]
pub struct Reminded {
    #[id("note")]
    pub note: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "postponed", version = 1)]
pub struct Postponed {
    #[id("note")]
    pub note: u32,
}

/// Nobody reads notes with a number that is a multiple of 1,000.
#[command_handler]
async fn remind(Remind { note, .. }: Remind) -> Result<Reminded, CommandError<Rejected>> {
    let is_torn = TORN.lock().is_ok_and(|torn| torn.contains(&note));
    if is_torn {
        return Err(CommandError::failed(Error::message("the note is torn")));
    }
    let is_read = note % 1_000 != 0;
    ensure!(is_read, Rejected::from(format!("nobody reads note {note}")));
    Ok(Reminded { note })
}

#[command_handler]
fn postpone(Postpone { note }: Postpone) -> Postponed {
    Postponed { note }
}

/// Fails once for each note, after it has scheduled.
#[event_handler]
async fn postponed(event: Postponed, app: &Dispatcher) -> Result<()> {
    let note = event.note;
    let first = app.schedule(Remind::of(note)).after(super::HOUR).await?;
    let second = app.schedule(Remind::of(note)).after(super::HOUR).await?;
    assert_ne!(first, second, "it has asked twice");
    let moved = app.reschedule(second).after(super::HOUR * 9).await?;
    let is_canceled = app.cancel(second).await?;
    let has_failed = FAILED.lock().is_ok_and(|mut failed| !failed.insert(note));
    ensure!(has_failed, Error::message("not the first time"));
    assert!(moved && is_canceled, "as the first time");
    Ok(())
}
