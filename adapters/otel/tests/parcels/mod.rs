//! What follows from one command: a view, a reaction and a process manager, each with a command of its own.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::Role;
use cqrs_core::prelude::*;
use cqrs_core::store::{CustomMetadata, EventQuery};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct SendParcel {
    #[id(Parcel)]
    pub parcel: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcel-sent", version = 1)]
pub struct ParcelSent {
    #[id(Parcel)]
    pub parcel: u32,
}

#[command_handler]
fn send(SendParcel { parcel }: SendParcel) -> ParcelSent {
    ParcelSent { parcel }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct NotifyReceiver {
    pub parcel: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "receiver-notified", version = 1)]
pub struct ReceiverNotified {
    pub parcel: u32,
}

#[command_handler]
fn notify(NotifyReceiver { parcel }: NotifyReceiver) -> ReceiverNotified {
    ReceiverNotified { parcel }
}

#[event_handler]
fn notifies(event: ParcelSent) -> NotifyReceiver {
    NotifyReceiver {
        parcel: event.parcel,
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct BookCourier {
    pub parcel: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "courier-booked", version = 1)]
pub struct CourierBooked {
    pub parcel: u32,
}

#[command_handler]
fn book(BookCourier { parcel }: BookCourier) -> CourierBooked {
    CourierBooked { parcel }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Transport {
    parcel: u32,
}

#[process_manager(name = "transport", id(Parcel = u32))]
impl Transport {
    #[start]
    fn sent(&mut self, event: &ParcelSent) -> BookCourier {
        self.parcel = event.parcel;
        BookCourier {
            parcel: self.parcel,
        }
    }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct ParcelView {
    #[key]
    pub parcel: u32,
}

pub struct ParcelList;

#[projection(name = "parcel-list", version = 1)]
impl ParcelList {
    #[on]
    fn sent(event: &ParcelSent, views: &mut Views<ParcelView>) {
        views.put(ParcelView {
            parcel: event.parcel,
        });
    }
}

/// Two programs on one log: one sends commands with this metadata, the other handles what follows. Returns all events
/// once both have ended, and their spans with them.
pub async fn sent(
    parcels: impl IntoIterator<Item = u32>,
    metadata: CustomMetadata,
) -> Vec<Arc<Recorded>> {
    let builder = || Dispatcher::builder().module(module());
    let sender = builder().roles([Role::Commands]).store(Memory::new());
    let sender = sender.build().await.expect("builds");
    for parcel in parcels {
        let call = sender.execute(SendParcel { parcel });
        call.with_metadata(metadata.clone()).await.expect("sends");
    }
    let worker = builder().stores_of(&sender).build().await.expect("builds");
    let limit = Duration::from_secs(30);
    worker.wait_until_idle(limit).await.expect("comes to rest");
    let events = worker.events(EventQuery::All).all().await.expect("reads");
    for app in [sender, worker] {
        app.shutdown(limit).await.expect("ends");
    }
    events
}
