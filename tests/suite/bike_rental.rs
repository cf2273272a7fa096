//! Axon's bike rental with a payment in time, as somebody writes it who knows the guides: how long it is, and what it does.

mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::testing::process_manager;

use crate::support::parked::until;
use crate::support::stores::on_each_with;
use program::{
    ApproveRequest, Bike, BikeRequested, ConfirmPayment, PATIENCE, Payment, PaymentConfirmed,
    Refund, RegisterBike, RejectRequest, RequestBike, ReturnBike,
};

/// Time that no test needs.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn it_has_at_most_220_lines() {
    let lines = include_str!("bike_rental/program.rs").lines();
    let count = lines.filter(|line| !line.trim().is_empty()).count();
    assert!(count <= 220, "{count}");
}

fn requested(rental: &str) -> BikeRequested {
    BikeRequested {
        bike: "b1".to_owned(),
        rental: rental.to_owned(),
        renter: "Ann".to_owned(),
    }
}

#[test]
fn a_request_that_is_paid_for_is_approved() {
    let (bike, rental) = ("b1".to_owned(), "r1".to_owned());
    let confirmed = PaymentConfirmed {
        rental: rental.clone(),
    };
    process_manager::<Payment>()
        .given(requested(&rental))
        .when(confirmed)
        .then_sends(ApproveRequest { bike, rental })
        .then_no_deadline()
        .then_ended();
}

#[test]
fn a_request_that_is_not_paid_for_in_time_is_rejected() {
    let (bike, rental) = ("b1".to_owned(), "r1".to_owned());
    process_manager::<Payment>()
        .when(requested(&rental))
        .then_sends(())
        .elapsed(PATIENCE)
        .then_sends(RejectRequest { bike, rental })
        .then_ended();
}

#[test]
fn the_payment_of_a_request_that_cannot_be_approved_is_refunded() {
    let (bike, rental) = ("b1".to_owned(), "r1".to_owned());
    let confirmed = PaymentConfirmed {
        rental: rental.clone(),
    };
    let approve = ApproveRequest {
        bike,
        rental: rental.clone(),
    };
    process_manager::<Payment>()
        .given(requested(&rental))
        .when(confirmed)
        .rejected(approve, Rejected::from("it is not requested"))
        .then_sends(Refund { rental });
}

async fn request(app: &Dispatcher, rental: &str) -> Result<(), CommandError<Rejected>> {
    let request = RequestBike {
        bike: "b1".to_owned(),
        rental: rental.to_owned(),
        renter: "Ann".to_owned(),
    };
    app.execute(request).await.map(drop)
}

async fn bike(app: &Dispatcher) -> (Option<String>, bool) {
    let bike = app.state::<Bike>(&"b1".to_owned()).await.expect("is read");
    (bike.rental.clone(), bike.is_rented)
}

#[tokio::test]
async fn a_bike_is_rented_returned_and_free_again_after_a_request_without_payment() {
    let seconds = Arc::new(AtomicI64::new(1_700_000_000));
    let clock = seconds.clone();
    let now = move || Timestamp::from_second(clock.load(Ordering::SeqCst)).expect("a time");
    on_each_with(
        program::module(),
        |builder| builder.clock(now.clone()),
        |app| async {
            let app = app;
            let register = RegisterBike {
                bike: "b1".to_owned(),
                location: "station".to_owned(),
            };
            app.execute(register).await.expect("is registered");
            request(&app, "r1").await.expect("is requested");
            request(&app, "r2").await.expect_err("it is not available");
            let rental = "r1".to_owned();
            let confirm = ConfirmPayment { rental };
            app.execute(confirm).await.expect("is confirmed");
            app.wait_until_idle(LIMIT).await.expect("comes to rest");
            assert_eq!(bike(&app).await, (Some("r1".to_owned()), true));
            let give_back = ReturnBike {
                bike: "b1".to_owned(),
                location: "harbor".to_owned(),
            };
            app.execute(give_back).await.expect("is returned");

            request(&app, "r2").await.expect("is requested");
            app.wait_until_idle(LIMIT).await.expect("comes to rest");
            assert_eq!(bike(&app).await, (Some("r2".to_owned()), false));
            let patience = i64::try_from(PATIENCE.as_secs()).expect("is short");
            seconds.fetch_add(patience, Ordering::SeqCst);
            until(|| async { bike(&app).await == (None, false) }, &app).await;
        },
    )
    .await;
}
