//! Vans that are loaded with parcels and come back: both events concern the instances of all parcels. Every third
//! parcel is refused at the door, and returned.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Number of parcels in a van.
const PARCELS: u64 = 4;

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct LoadVan {
    pub van: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ReturnVan {
    pub van: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct DeliverParcel {
    pub parcel: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ReturnParcel {
    pub parcel: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "van-loaded", version = 1)]
pub struct VanLoaded {
    #[id("parcel", each)]
    pub parcels: Vec<u64>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "van-emptied", version = 1)]
pub struct VanEmptied {
    #[id("parcel", each)]
    pub parcels: Vec<u64>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcel-delivered", version = 1)]
pub struct ParcelDelivered {
    #[id("parcel")]
    pub parcel: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcel-returned", version = 1)]
pub struct ParcelReturned {
    #[id("parcel")]
    pub parcel: u64,
}

#[command_handler]
fn load(LoadVan { van }: LoadVan) -> VanLoaded {
    let parcels = parcels_of(van);
    VanLoaded { parcels }
}

#[command_handler]
fn empty(ReturnVan { van }: ReturnVan) -> VanEmptied {
    let parcels = parcels_of(van);
    VanEmptied { parcels }
}

#[command_handler]
fn deliver(DeliverParcel { parcel }: DeliverParcel) -> Result<ParcelDelivered, Rejected> {
    ensure!(!is_refused(parcel), "nobody has ordered it");
    Ok(ParcelDelivered { parcel })
}

#[command_handler]
fn take_back(ReturnParcel { parcel }: ReturnParcel) -> ParcelReturned {
    ParcelReturned { parcel }
}

/// Whether nobody takes a parcel.
pub fn is_refused(parcel: u64) -> bool {
    parcel.is_multiple_of(3)
}

fn parcels_of(van: u64) -> Vec<u64> {
    let first = van * PARCELS;
    (first..first + PARCELS).collect()
}

/// The steps of a parcel, in order. It is over once it has arrived, there or back, and the van is empty.
#[derive(Default, Serialize, Deserialize)]
pub struct Parcel {
    pub steps: Vec<String>,
}

#[process_manager(name = "parcels", id("parcel" = u64))]
impl Parcel {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "an id may be any type")]
    #[start]
    fn loaded(&mut self, _: &VanLoaded, id: &u64) -> DeliverParcel {
        self.steps.push("loaded".to_owned());
        DeliverParcel { parcel: *id }
    }

    #[on]
    fn delivered(&mut self, _: &ParcelDelivered) -> Option<End> {
        self.last("delivered")
    }

    #[rejected]
    fn refused(&mut self, command: &DeliverParcel, _: &Rejected) -> ReturnParcel {
        self.steps.push("refused".to_owned());
        ReturnParcel {
            parcel: command.parcel,
        }
    }

    #[on]
    fn returned(&mut self, _: &ParcelReturned) -> Option<End> {
        self.last("returned")
    }

    #[on]
    fn emptied(&mut self, _: &VanEmptied) -> Option<End> {
        self.last("emptied")
    }

    /// One of the two steps after which a parcel may be over.
    fn last(&mut self, step: &str) -> Option<End> {
        self.steps.push(step.to_owned());
        let is_over = |step: &str| self.steps.iter().any(|it| it == step);
        (is_over("emptied") && (is_over("delivered") || is_over("returned"))).then_some(End)
    }
}
