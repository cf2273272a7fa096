//! Shards that are divided anew while one of them is behind the other.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::store::Slices;

use super::idle;
use crate::support::parked::until;
use crate::support::stores::on_each_with;

cqrs_core::module!();

/// Voyages whose ships do not leave for now.
static HELD: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Whether it is the next year.
static IS_NEXT_YEAR: AtomicBool = AtomicBool::new(false);

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct BeginVoyage {
    pub voyage: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "voyage-begun", version = 1)]
pub struct VoyageBegun {
    #[id("voyage")]
    pub voyage: u32,
}

#[command_handler]
fn begin(BeginVoyage { voyage }: BeginVoyage) -> VoyageBegun {
    VoyageBegun { voyage }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Voyage;

#[process_manager(name = "voyages", id("voyage" = u32), keep = "30d")]
impl Voyage {
    #[start]
    fn begun(&mut self, event: &VoyageBegun) -> Result<End> {
        let is_held = HELD.lock().is_ok_and(|them| them.contains(&event.voyage));
        ensure!(!is_held, Error::message("there is no wind"));
        Ok(End)
    }
}

/// A voyage in the first or the second of two shards.
fn in_shard(place: u16) -> u32 {
    let of = |voyage: &u32| Slices::of_tag(&voyage.to_string()) / (Slices::COUNT / 2);
    (0..1_000).find(|voyage| of(voyage) == place).expect("some")
}

async fn has_instance(app: &Dispatcher, voyage: u32) -> bool {
    let found = app.process::<Voyage>(&voyage).await;
    found.expect("reads").is_some()
}

/// An event that was handled before the division begins nothing, although the instance is not kept any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_shard_has_handled_is_not_handled_again_in_a_shard_that_is_behind() {
    let clock = || {
        let days = 365 * u32::from(IS_NEXT_YEAR.load(Ordering::SeqCst));
        Timestamp::now() + days * Duration::from_secs(24 * 3600)
    };
    on_each_with(
        module(),
        |builder| builder.clock(clock).retry_for(Duration::MAX),
        async |app| {
            let [behind, ahead] = [in_shard(0), in_shard(1)];
            HELD.lock().expect("no panic").insert(behind);
            let subscriptions = app.subscriptions();
            let divided = subscriptions.divide("voyages", 2).await;
            divided.expect("divides");
            for voyage in [behind, ahead] {
                let begun = app.execute(BeginVoyage { voyage }).await;
                begun.expect("begins");
            }
            until(|| has_instance(&app, ahead), &app).await;
            IS_NEXT_YEAR.store(true, Ordering::SeqCst);
            until(|| async { !has_instance(&app, ahead).await }, &app).await;
            IS_NEXT_YEAR.store(false, Ordering::SeqCst);

            let divided = subscriptions.divide("voyages", 1).await;
            divided.expect("divides");
            HELD.lock().expect("no panic").clear();
            idle(&app).await;
            assert!(has_instance(&app, behind).await, "it was held");
            assert!(!has_instance(&app, ahead).await, "it has begun again");
        },
    )
    .await;
}
