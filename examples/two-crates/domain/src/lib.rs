//! A domain in a library: messages, an aggregate, handlers and a read model, but no store and no
//! `main`. Any program that takes in [`module`] can serve it.

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Sends a parcel on its way.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct SendParcel {
    /// Tracking number.
    #[id(Parcel)]
    pub number: u32,
    /// Destination.
    pub city: String,
}

/// A parcel was sent.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "parcel-sent", version = 1)]
pub struct ParcelSent {
    /// Tracking number.
    #[id(Parcel)]
    pub number: u32,
    /// Destination.
    pub city: String,
}

/// Whether a parcel was sent.
#[derive(Default)]
pub struct Parcel {
    is_sent: bool,
}

#[aggregate(id = u32)]
impl Parcel {
    #[apply]
    fn sent(&mut self, _: &ParcelSent) {
        self.is_sent = true;
    }
}

// Handlers can be private: the registry finds them, and the program only names messages.

#[command_handler]
fn send(SendParcel { number, city }: SendParcel, parcel: &Parcel) -> Result<ParcelSent, Rejected> {
    ensure!(!parcel.is_sent, "parcel {} was sent already", number);
    Ok(ParcelSent { number, city })
}

/// Number of parcels per city.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// Name of the city.
    #[key]
    pub city: String,
    /// Number of parcels sent to it.
    pub parcels: u32,
}

#[projection(name = "destinations", version = 1)]
impl Destination {
    #[on]
    fn sent(event: &ParcelSent, destinations: &mut Views<Destination>) -> Result<()> {
        destinations.upsert(
            &event.city,
            || Destination {
                city: event.city.clone(),
                parcels: 1,
            },
            |destination| destination.parcels += 1,
        )
    }
}

/// Returns all destinations by name.
#[derive(Query, Serialize, Deserialize)]
#[query(returns = Vec<Destination>)]
pub struct Destinations;

#[query_handler]
async fn destinations(_: Destinations, views: Read<Destination>) -> Result<Vec<Destination>> {
    views.find().all().await
}

#[cfg(test)]
mod tests {
    use cqrs_core::testing::{given, verify_modules};

    use super::*;

    #[test]
    fn a_parcel_is_sent_once() {
        let (number, city) = (7, "Zürich".to_owned());
        let sent = ParcelSent { number, city };
        let city = sent.city.clone();
        given(sent)
            .when(SendParcel { number, city })
            .then_rejected(Rejected::from("parcel 7 was sent already"));
    }

    /// What the library can check without a program.
    #[test]
    fn the_wiring_is_complete() {
        verify_modules([module()]);
    }
}
