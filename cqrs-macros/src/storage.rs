use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::args::Args;
use crate::errors::Errors;
use crate::hygiene::code;
use crate::suggest;

/// The place where the state of an aggregate is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StorageArg {
    /// Nowhere.
    Events,
    /// In the store, with every event.
    State,
    /// Every so many events.
    Snapshots(u32),
}

impl StorageArg {
    /// Takes `storage` and `snapshot_every`.
    pub fn read(args: &mut Args, errors: &mut Errors) -> Self {
        let snapshots = args.number("snapshot_every", 100, errors);
        let folded = snapshots.map_or(Self::Events, Self::Snapshots);
        let Some(storage) = args.string("storage", errors) else {
            return folded;
        };
        match storage.value().as_str() {
            "events" => folded,
            "state" => {
                if snapshots.is_some() {
                    errors.at(
                        &storage,
                        "a state that is stored with every event needs no snapshots: leave out \
                         `snapshot_every`, or `storage = \"state\"`",
                    );
                }
                Self::State
            }
            unknown => {
                let message = suggest::no_such("storage", unknown, &["events", "state"]);
                errors.at(
                    &storage,
                    format!(
                        "{message} write `storage = \"events\"` to fold the state from the events, or \
                         `storage = \"state\"` to keep it in the store"
                    ),
                );
                folded
            }
        }
    }
}

impl ToTokens for StorageArg {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Events => code!(Events),
            Self::State => code!(State),
            Self::Snapshots(every) => code!(Snapshots { every: #every }),
        });
    }
}
