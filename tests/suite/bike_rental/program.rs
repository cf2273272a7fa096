//! Bikes that are rented, if they are paid for in time: Axon's bike rental, by the guides alone.

use std::time::Duration;

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct RegisterBike {
    #[id(Bike)]
    pub bike: String,
    pub location: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct RequestBike {
    #[id(Bike)]
    pub bike: String,
    pub rental: String,
    pub renter: String,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApproveRequest {
    #[id(Bike)]
    pub bike: String,
    pub rental: String,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectRequest {
    #[id(Bike)]
    pub bike: String,
    pub rental: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ReturnBike {
    #[id(Bike)]
    pub bike: String,
    pub location: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ConfirmPayment {
    #[id("rental")]
    pub rental: String,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    #[id("rental")]
    pub rental: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-registered", version = 1)]
pub struct BikeRegistered {
    #[id(Bike)]
    pub bike: String,
    pub location: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-requested", version = 1)]
pub struct BikeRequested {
    #[id(Bike)]
    pub bike: String,
    #[id("rental")]
    pub rental: String,
    pub renter: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-request-approved", version = 1)]
pub struct RequestApproved {
    #[id(Bike)]
    pub bike: String,
    #[id("rental")]
    pub rental: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-request-rejected", version = 1)]
pub struct RequestRejected {
    #[id(Bike)]
    pub bike: String,
    #[id("rental")]
    pub rental: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-returned", version = 1)]
pub struct BikeReturned {
    #[id(Bike)]
    pub bike: String,
    pub location: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-payment-confirmed", version = 1)]
pub struct PaymentConfirmed {
    #[id("rental")]
    pub rental: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-payment-refunded", version = 1)]
pub struct PaymentRefunded {
    #[id("rental")]
    pub rental: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bike-payment-overdue", version = 1)]
pub struct PaymentOverdue {
    #[id("rental")]
    pub rental: String,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Bike {
    is_registered: bool,
    /// The rental that has reserved it.
    pub rental: Option<String>,
    pub is_rented: bool,
}

#[aggregate(id = String)]
impl Bike {
    #[apply]
    fn registered(&mut self, _: &BikeRegistered) {
        self.is_registered = true;
    }

    #[apply]
    fn requested(&mut self, event: &BikeRequested) {
        self.rental = Some(event.rental.clone());
    }

    #[apply]
    fn approved(&mut self, _: &RequestApproved) {
        self.is_rented = true;
    }

    #[apply]
    fn rejected(&mut self, _: &RequestRejected) {
        self.rental = None;
    }

    #[apply]
    fn returned(&mut self, _: &BikeReturned) {
        (self.rental, self.is_rented) = (None, false);
    }

    fn is_requested_for(&self, rental: &str) -> bool {
        self.rental.as_deref() == Some(rental) && !self.is_rented
    }
}

#[command_handler]
fn register(cmd: RegisterBike, bike: &Bike) -> Result<BikeRegistered, Rejected> {
    let RegisterBike { bike: id, location } = cmd;
    ensure!(!bike.is_registered, "the bike is registered already");
    Ok(BikeRegistered { bike: id, location })
}

#[command_handler]
fn request(cmd: RequestBike, bike: &Bike) -> Result<BikeRequested, Rejected> {
    let (is_there, is_free) = (bike.is_registered, bike.rental.is_none());
    ensure!(is_there && is_free, "the bike is not available");
    let RequestBike {
        bike,
        rental,
        renter,
    } = cmd;
    Ok(BikeRequested {
        bike,
        rental,
        renter,
    })
}

#[command_handler]
fn approve(cmd: ApproveRequest, bike: &Bike) -> Result<RequestApproved, Rejected> {
    ensure!(bike.is_requested_for(&cmd.rental), "it is not requested");
    let ApproveRequest { bike, rental } = cmd;
    Ok(RequestApproved { bike, rental })
}

#[command_handler]
fn reject(cmd: RejectRequest, bike: &Bike) -> Option<RequestRejected> {
    let is_requested = bike.is_requested_for(&cmd.rental);
    let RejectRequest { bike, rental } = cmd;
    is_requested.then_some(RequestRejected { bike, rental })
}

#[command_handler]
fn give_back(cmd: ReturnBike, bike: &Bike) -> Result<BikeReturned, Rejected> {
    ensure!(bike.is_rented, "the bike is not rented");
    let ReturnBike { bike, location } = cmd;
    Ok(BikeReturned { bike, location })
}

#[command_handler]
fn confirm(ConfirmPayment { rental }: ConfirmPayment) -> PaymentConfirmed {
    PaymentConfirmed { rental }
}

#[command_handler]
fn refund(Refund { rental }: Refund) -> PaymentRefunded {
    PaymentRefunded { rental }
}

/// Requests that are not paid for within two minutes are rejected.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default, Serialize, Deserialize)]
pub struct Payment {
    bike: String,
}

#[process_manager(name = "bike-payment", id("rental" = String))]
impl Payment {
    #[start]
    fn requested(&mut self, event: &BikeRequested) -> Deadline<PaymentOverdue> {
        self.bike.clone_from(&event.bike);
        let rental = event.rental.clone();
        Deadline::after(PaymentOverdue { rental }, PATIENCE)
    }

    #[on]
    fn confirmed(&mut self, event: &PaymentConfirmed) -> (ApproveRequest, End) {
        let (bike, rental) = (self.bike.clone(), event.rental.clone());
        (ApproveRequest { bike, rental }, End)
    }

    #[due]
    fn overdue(&mut self, due: &PaymentOverdue) -> (RejectRequest, End) {
        let (bike, rental) = (self.bike.clone(), due.rental.clone());
        (RejectRequest { bike, rental }, End)
    }

    /// The bike is not there any more.
    #[rejected]
    fn not_approved(&mut self, command: &ApproveRequest, _: &Rejected) -> Refund {
        let rental = command.rental.clone();
        Refund { rental }
    }
}
