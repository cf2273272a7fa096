//! Parcels that are loaded together, and delivered each by itself.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Parcels whose step fails for now.
pub static POISONED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// The parcels whose step has failed, once for each time.
pub static FAILED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Parcels that cannot be delivered for now.
pub static STUCK: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Announce {
    pub parcel: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Load {
    pub parcels: Vec<u32>,
}

/// The truck takes one parcel in place of another one.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Swap {
    pub out: u32,
    pub into: u32,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deliver {
    pub parcel: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcel-announced", version = 1)]
pub struct Announced {
    #[id("parcel")]
    pub parcel: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcels-loaded", version = 1)]
pub struct Loaded {
    #[id("parcel", each)]
    pub parcels: Vec<u32>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcels-swapped", version = 1)]
pub struct Swapped {
    #[id("parcel")]
    pub out: u32,
    #[id("parcel")]
    pub into: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcel-delivered", version = 1)]
pub struct Delivered {
    #[id("parcel")]
    pub parcel: u32,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "parcel-overdue", version = 1)]
pub struct Overdue {
    #[id("parcel")]
    pub parcel: u32,
}

#[command_handler]
fn announce(Announce { parcel }: Announce) -> Announced {
    Announced { parcel }
}

#[command_handler]
fn load(Load { parcels }: Load) -> Loaded {
    Loaded { parcels }
}

#[command_handler]
fn swap(Swap { out, into }: Swap) -> Swapped {
    Swapped { out, into }
}

/// Nobody knows the addresses of parcels whose number ends with 3.
#[command_handler]
async fn deliver(Deliver { parcel }: Deliver) -> Result<Delivered, CommandError<Rejected>> {
    if STUCK.lock().is_ok_and(|stuck| stuck.contains(&parcel)) {
        return Err(CommandError::failed(Error::message("the truck is stuck")));
    }
    if parcel % 10 == 3 {
        return Err(Rejected::from("it has no address").into());
    }
    Ok(Delivered { parcel })
}

#[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub parcel: u32,
    /// The steps so far.
    pub steps: Vec<String>,
}

pub const PATIENCE: Duration = Duration::from_secs(3600);

#[process_manager(name = "delivery", id("parcel" = u32))]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "an id may be any type")]
impl Delivery {
    #[start]
    fn announced(&mut self, event: &Announced) -> Result<()> {
        self.parcel = event.parcel;
        self.step("announced")
    }

    #[start]
    fn loaded(&mut self, _: &Loaded, id: &u32) -> Result<(Deliver, Deadline<Overdue>)> {
        self.parcel = *id;
        self.step("loaded")?;
        let due = Deadline::after(Overdue { parcel: *id }, PATIENCE);
        Ok((Deliver { parcel: *id }, due))
    }

    #[on]
    fn swapped(&mut self, event: &Swapped, id: &u32) -> Result<()> {
        self.step(if event.out == *id { "out" } else { "into" })
    }

    #[on]
    fn delivered(&mut self, _: &Delivered) -> (Cancel<Overdue>, End) {
        (Cancel::new(), End)
    }

    #[due]
    fn overdue(&mut self, _: &Overdue) -> End {
        End
    }

    #[rejected]
    fn refused(&mut self, _: &Deliver, reason: &Rejected) -> Result<(Cancel<Overdue>, End)> {
        self.step(&reason.to_string())?;
        Ok((Cancel::new(), End))
    }

    fn step(&mut self, name: &str) -> Result<()> {
        let is_poisoned = POISONED.lock().is_ok_and(|it| it.contains(&self.parcel));
        if is_poisoned {
            FAILED.lock().expect("no panic").push(self.parcel);
            return Err(Error::message("its label cannot be read"));
        }
        self.steps.push(name.to_owned());
        Ok(())
    }
}
