//! Parcels, some of which cannot be handled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_core::app::{HeldPermissions, SubscriptionState};
use cqrs_core::prelude::*;

cqrs_core::module!();

/// Whether the printer takes labels.
#[derive(Default)]
pub struct Printer {
    pub is_broken: AtomicBool,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct SendParcel {
    #[id(Parcel)]
    pub parcel: String,
    pub grams: i64,
}

/// A parcel was handed in.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "parcel-sent", version = 1)]
pub struct ParcelSent {
    #[id(Parcel)]
    pub parcel: String,
    pub grams: i64,
}

#[command_handler]
fn send(SendParcel { parcel, grams }: SendParcel) -> ParcelSent {
    ParcelSent { parcel, grams }
}

#[derive(Default, Serialize)]
pub struct Parcel {
    grams: i64,
    journey: Vec<String>,
}

/// What is known of a parcel.
#[aggregate(id = String)]
impl Parcel {
    #[apply]
    fn sent(&mut self, event: &ParcelSent) {
        self.grams = event.grams;
        self.journey.push("sent".to_owned());
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct CloseStreet {
    #[id(Street)]
    pub street: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "street-closed", version = 1)]
pub struct StreetClosed {
    #[id(Street)]
    pub street: String,
}

#[command_handler]
fn close(CloseStreet { street }: CloseStreet) -> StreetClosed {
    StreetClosed { street }
}

/// Its state is nobody's business.
#[derive(Default)]
pub struct Street {
    is_closed: bool,
}

#[aggregate(id = String)]
impl Street {
    #[apply]
    fn closed(&mut self, _: &StreetClosed) {
        self.is_closed = true;
    }
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Weight {
    #[key]
    pub parcel: String,
    pub grams: i64,
}

/// The weight of each parcel.
pub struct Weights;

#[projection(name = "weights", version = 2, partition = Parcel, on_failure = "park")]
impl Weights {
    #[on]
    fn sent(event: &ParcelSent, weights: &mut Views<Weight>) -> Result<()> {
        if event.grams < 0 {
            return Err(Error::message("<b>lighter than air</b>"));
        }
        weights.put(Weight {
            parcel: event.parcel.clone(),
            grams: event.grams,
        });
        Ok(())
    }
}

/// Prints the label of each parcel.
#[event_handler]
fn label(_: ParcelSent, printer: Service<Printer>) -> Result<()> {
    if printer.is_broken.load(Ordering::SeqCst) {
        return Err(Error::message("the printer is on fire"));
    }
    Ok(())
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "delivery-due", version = 1)]
pub struct DeliveryDue {
    #[id(Parcel)]
    pub parcel: String,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Delivery {
    grams: i64,
    is_late: bool,
}

#[process_manager(name = "delivery", id(Parcel = String))]
impl Delivery {
    #[start]
    fn sent(&mut self, event: &ParcelSent) -> Deadline<DeliveryDue> {
        self.grams = event.grams;
        let parcel = event.parcel.clone();
        Deadline::after(DeliveryDue { parcel }, Duration::from_secs(86_400))
    }

    #[due]
    fn late(&mut self, _: &DeliveryDue) -> End {
        self.is_late = true;
        End
    }
}

/// A dispatcher in memory, whose pages may be seen with `operations:read`.
pub async fn parcels() -> (Dispatcher, Arc<Printer>) {
    parcels_on(Memory::new()).await
}

/// The same on a store that another dispatcher may have, too.
pub async fn parcels_on(store: Memory) -> (Dispatcher, Arc<Printer>) {
    let printer = Arc::new(Printer::default());
    let builder = Dispatcher::builder().module(module()).store(store);
    let builder = builder.authorizer(HeldPermissions).provide(printer.clone());
    let builder = builder.log_permission("log:read");
    let builder = builder.retry_for(Duration::from_millis(20));
    (builder.build().await.expect("builds"), printer)
}

pub async fn hand_in(app: &Dispatcher, parcel: &str, grams: i64) -> Position {
    let parcel = parcel.to_owned();
    let receipt = app.execute(SendParcel { parcel, grams }).await;
    receipt.expect("is recorded").last()
}

/// Waits until a subscription is in such a state.
pub async fn reaches(app: &Dispatcher, name: &str, is_state: fn(&SubscriptionState) -> bool) {
    let state = || {
        let mut all = app.health().subscriptions.into_iter();
        all.find(|it| it.name == name).expect("is there").state
    };
    for _ in 0..2_000 {
        if is_state(&state()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("`{name}` is {:?}", state());
}
