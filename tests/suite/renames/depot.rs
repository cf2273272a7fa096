//! A depot with its aggregate, projection, process manager and reaction, before they are renamed and after.

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Mutex, PoisonError};

use cqrs_core::store::BoxFuture;

/// What another program does while a parcel is packed, once.
#[derive(Default)]
pub struct Meanwhile(Mutex<Option<BoxFuture<'static, ()>>>);

impl Meanwhile {
    pub fn of(other: BoxFuture<'static, ()>) -> Self {
        Self(Mutex::new(Some(other)))
    }

    pub fn take(&self) -> Option<BoxFuture<'static, ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether parcels of 13 grams can be shown.
pub static IS_LUCKY: AtomicBool = AtomicBool::new(false);

/// Number of folds of parcel 7.
pub static FOLDS: AtomicU32 = AtomicU32::new(0);

macro_rules! depot {
    (
        $module:ident, $Parcel:ident,
        aggregate: [$($aggregate:tt)*], projection: [$($projection:tt)*],
        process: [$($process:tt)*], reaction: [$($reaction:tt)*],
    ) => {
        pub mod $module {
            use std::sync::atomic::Ordering;
            use std::time::Duration;

            use cqrs_core::prelude::*;
            use cqrs_core::store::BoxFuture;

            use super::{FOLDS, IS_LUCKY, Meanwhile};

            cqrs_core::module!();

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Pack {
                #[id($Parcel)]
                pub parcel: u32,
                pub grams: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Label {
                pub parcel: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Hurry {
                pub parcel: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Complain {
                pub parcel: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "parcel-packed", version = 1)]
            pub struct Packed {
                #[id($Parcel)]
                pub parcel: u32,
                pub grams: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "parcel-labeled", version = 1)]
            pub struct Labeled {
                #[id($Parcel)]
                pub parcel: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "parcel-hurried", version = 1)]
            pub struct Hurried {
                #[id($Parcel)]
                pub parcel: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "parcel-late", version = 1)]
            pub struct Late {
                #[id($Parcel)]
                pub parcel: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "parcel-complained", version = 1)]
            pub struct Complained {
                #[id($Parcel)]
                pub parcel: u32,
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct $Parcel {
                pub grams: u32,
                pub is_late: bool,
            }

            #[aggregate(id = u32, storage = "state", $($aggregate)*)]
            impl $Parcel {
                #[apply]
                fn packed(&mut self, event: &Packed) {
                    self.grams += event.grams;
                }

                #[apply]
                fn late(&mut self, _: &Late) {
                    self.is_late = true;
                }
            }

            /// No parcel has more than 100 grams.
            #[command_handler]
            async fn pack(
                Pack { parcel, grams }: Pack,
                packed: &$Parcel,
                meanwhile: Service<Meanwhile>,
            ) -> Result<Packed, Rejected> {
                if let Some(other) = meanwhile.take() {
                    other.await;
                }
                ensure!(packed.grams + grams <= 100, "it has {} grams", packed.grams);
                Ok(Packed { parcel, grams })
            }

            #[command_handler]
            fn label(Label { parcel }: Label) -> Labeled {
                Labeled { parcel }
            }

            #[command_handler]
            fn hurry(Hurry { parcel }: Hurry) -> Hurried {
                Hurried { parcel }
            }

            #[command_handler]
            fn complain(Complain { parcel }: Complain) -> Complained {
                Complained { parcel }
            }

            #[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub struct Card {
                #[key]
                pub parcel: u32,
                pub grams: u32,
            }

            pub struct Cards;

            #[projection(version = 1, partition = $Parcel, on_failure = "park", $($projection)*)]
            impl Cards {
                #[on]
                fn packed(event: &Packed, cards: &mut Views<Card>) -> Result<()> {
                    let is_unlucky = event.grams == 13 && !IS_LUCKY.load(Ordering::SeqCst);
                    if is_unlucky {
                        return Err(Error::message("13 brings bad luck"));
                    }
                    if event.parcel == 7 {
                        FOLDS.fetch_add(1, Ordering::SeqCst);
                    }
                    let known = cards.get(&event.parcel)?.map_or(0, |card| card.grams);
                    cards.put(Card {
                        parcel: event.parcel,
                        grams: known + event.grams,
                    });
                    Ok(())
                }
            }

            #[derive(Query, Clone, Serialize, Deserialize)]
            #[query(returns = Option<Card>)]
            pub struct FindCard {
                pub parcel: u32,
            }

            #[query_handler]
            async fn find(query: FindCard, cards: Read<Card>) -> Result<Option<Card>> {
                cards.get(&query.parcel).await
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct Delivery {
                pub grams: u32,
            }

            /// A parcel that is late is one that somebody complains about.
            #[process_manager(id($Parcel = u32), $($process)*)]
            impl Delivery {
                #[start]
                fn packed(&mut self, event: &Packed) -> Deadline<Late> {
                    self.grams = event.grams;
                    let due = Late { parcel: event.parcel };
                    Deadline::after(due, Duration::from_secs(3600))
                }

                #[on]
                fn hurried(&mut self, _: &Hurried) -> Reschedule<Late> {
                    Reschedule::at(Timestamp::UNIX_EPOCH)
                }

                #[due]
                fn late(&mut self, due: &Late) -> (Complain, End) {
                    (Complain { parcel: due.parcel }, End)
                }
            }

            #[event_handler(partition = $Parcel, $($reaction)*)]
            fn labels(event: Packed) -> Label {
                Label { parcel: event.parcel }
            }

            pub async fn packs(app: &Dispatcher, parcel: u32, grams: u32) -> bool {
                let packed = app.execute(Pack { parcel, grams }).await;
                match packed {
                    Ok(_) => true,
                    Err(CommandError::Rejected(_)) => false,
                    Err(error) => panic!("{error}"),
                }
            }

            pub fn packing(app: &Dispatcher, parcel: u32, grams: u32) -> BoxFuture<'static, ()> {
                let app = app.clone();
                Box::pin(async move { assert!(packs(&app, parcel, grams).await) })
            }

            pub async fn grams(app: &Dispatcher, parcel: u32) -> u32 {
                app.state::<$Parcel>(&parcel).await.expect("is folded").grams
            }

            pub async fn shown(app: &Dispatcher, parcel: u32) -> Option<u32> {
                let card = app.query(FindCard { parcel }).await.expect("answers");
                card.map(|card| card.grams)
            }
        }
    };
}

depot!(
    before, Parcel,
    aggregate: [], projection: [name = "parcels"], process: [name = "courier"], reaction: [name = "labels"],
);

depot!(
    after, Consignment,
    aggregate: [was = ["parcel"]], projection: [name = "consignments", was = ["parcels"]],
    process: [name = "carrier", was = ["courier"]], reaction: [name = "labeling", was = ["labels"]],
);
