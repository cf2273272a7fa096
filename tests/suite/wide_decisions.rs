//! One command about many aggregates: the store is asked as often as for a few.

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;

use crate::support::stores::on_each;
use crate::support::watched::WatchedLog;

cqrs_core::module!();

/// Opens so many seats.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Open {
    seats: u32,
}

/// Takes them all.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Take {
    #[id(Seat, each)]
    seats: Vec<u32>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seat-opened", version = 1)]
pub struct SeatOpened {
    #[id(Seat)]
    #[serde(rename = "seat")]
    number: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "seat-taken", version = 1)]
pub struct SeatTaken {
    #[id(Seat)]
    seat: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Seat {
    is_open: bool,
    taken: u32,
}

#[aggregate(id = u32, storage = "state")]
impl Seat {
    #[apply]
    fn opened(&mut self, _: &SeatOpened) {
        self.is_open = true;
    }

    #[apply]
    fn taken(&mut self, _: &SeatTaken) {
        self.taken += 1;
    }
}

#[command_handler]
fn open(cmd: Open) -> Vec<SeatOpened> {
    (0..cmd.seats).map(|number| SeatOpened { number }).collect()
}

#[command_handler]
fn take(cmd: Take, seats: Each<Seat>) -> Result<Vec<SeatTaken>, Rejected> {
    ensure!(seats.values().all(|seat| seat.is_open), "a seat is closed");
    let taken = cmd.seats.into_iter().map(|seat| SeatTaken { seat });
    Ok(taken.collect())
}

/// How often the store is asked to open so many seats, take one after the other of some, and then
/// take all.
async fn calls(app: &Dispatcher, seats: u32) -> [usize; 2] {
    let store = WatchedLog::watched(app.log().clone());
    let builder: Builder = Dispatcher::builder().module(module());
    let app = builder.log(store.clone()).build().await;
    let app = app.expect("builds");
    app.execute(Open { seats }).await.expect("opens");
    let opened = store.calls();
    // Their states are at positions of their own.
    for seat in 0..40 {
        let seats = vec![seat];
        app.execute(Take { seats }).await.expect("takes one");
    }
    let before = store.calls();
    let seats = (0..seats).collect();
    app.execute(Take { seats }).await.expect("takes all");
    let taken = store.calls() - before;
    let seat = app.state::<Seat>(&39).await.expect("a state");
    assert!(seat.taken >= 2);
    [opened, taken]
}

#[tokio::test]
async fn however_many_aggregates_a_command_is_about_the_store_is_asked_a_few_times() {
    on_each(module(), |app| async move {
        for seats in [50, 10_000] {
            let [opened, taken] = calls(&app, seats).await;
            assert!(opened <= 5, "{opened} calls to open {seats} seats");
            assert!(taken <= 20, "{taken} calls to take {seats} seats");
        }
    })
    .await;
}
