//! Rentals that end while the bike's unlocking is under way, which may be refused.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Rentals whose bikes do not answer for now.
pub static OFFLINE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Rentals whose refusals cannot be handled for now.
pub static UNCLEAR: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// What becomes of a rental.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum Course {
    #[default]
    Unlocked,
    /// The bike is not unlocked, and the customer gets the money back.
    Refused,
    /// Neither is possible.
    RefusedTwice,
    /// What nothing takes is refused.
    Unreported,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Rent {
    pub rental: u32,
    pub course: Course,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Unlock {
    pub rental: u32,
    pub course: Course,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Report {
    pub rental: u32,
    pub course: Course,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Refund {
    pub rental: u32,
    pub course: Course,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Complain {
    pub rental: u32,
}

macro_rules! events {
    ($($event:ident $name:literal { $($field:ident: $ty:ty),* })+) => {$(
        #[derive(Event, Serialize, Deserialize)]
        #[event(name = $name, version = 1)]
        pub struct $event {
            #[id("rental")]
            pub rental: u32,
            $(pub $field: $ty,)*
        }
    )+};
}

events! {
    Rented "rented" { course: Course }
    Unlocked "unlocked" {}
    Reported "reported" {}
    Refunded "refunded" {}
    Complained "complained" {}
    RefundDue "refund-due" {}
}

#[command_handler]
fn rent(Rent { rental, course }: Rent) -> Rented {
    Rented { rental, course }
}

#[command_handler]
fn unlock(Unlock { rental, course }: Unlock) -> Result<Unlocked, CommandError<Rejected>> {
    if OFFLINE.lock().is_ok_and(|them| them.contains(&rental)) {
        return Err(CommandError::failed(Error::message("it does not answer")));
    }
    let is_refused = matches!(course, Course::Refused | Course::RefusedTwice);
    ensure!(!is_refused, Rejected::from("the tire is flat"));
    Ok(Unlocked { rental })
}

#[command_handler]
fn report(Report { rental, course }: Report) -> Result<Reported, Rejected> {
    ensure!(course != Course::Unreported, "nobody reads that");
    Ok(Reported { rental })
}

#[command_handler]
fn refund(Refund { rental, course }: Refund) -> Result<Refunded, Rejected> {
    ensure!(course != Course::RefusedTwice, "the account is closed");
    Ok(Refunded { rental })
}

#[command_handler]
fn complain(Complain { rental }: Complain) -> Complained {
    Complained { rental }
}

#[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rental {
    pub refusals: Vec<String>,
}

#[process_manager(name = "rental", id("rental" = u32))]
impl Rental {
    #[start]
    fn rented(&mut self, event: &Rented) -> (Unlock, Report, End) {
        let Rented { rental, course } = *event;
        (Unlock { rental, course }, Report { rental, course }, End)
    }

    #[on]
    fn complained(&mut self, _: &Complained) {
        self.refusals.push("it has ended".to_owned());
    }

    /// What is due after the end does not occur.
    #[rejected]
    fn not_unlocked(
        &mut self,
        command: &Unlock,
        reason: &Rejected,
    ) -> Result<(Refund, Deadline<RefundDue>, End)> {
        let Unlock { rental, course } = *command;
        if UNCLEAR.lock().is_ok_and(|them| them.contains(&rental)) {
            return Err(Error::message("nobody knows why"));
        }
        self.refusals.push(reason.to_string());
        let due = Deadline::after(RefundDue { rental }, Duration::ZERO);
        Ok((Refund { rental, course }, due, End))
    }

    #[rejected]
    fn not_refunded(&mut self, _: &Refund, reason: &Rejected) {
        self.refusals.push(reason.to_string());
    }

    #[due]
    fn refund_due(&mut self, _: &RefundDue) {
        self.refusals.push("there is time".to_owned());
    }
}
