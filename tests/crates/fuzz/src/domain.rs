//! Parcels on shelves, with fields of all kinds.

use std::collections::BTreeMap;
use std::time::Duration;

use cqrs_core::app::{Builder, HeldPermissions};
use cqrs_core::prelude::*;
use schemars::JsonSchema;
use uuid::Uuid;

cqrs_core::module!();

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    Plain,
    Sized(u8, i64),
    Named { name: char },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Label {
    Text { text: String },
    Number { number: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    text: String,
    inner: Option<Box<Note>>,
}

#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = ShelfError)]
#[serde(deny_unknown_fields)]
pub struct Shelve {
    #[id(Shelf)]
    shelf: String,
    parcel: Uuid,
    kind: Kind,
    weight: f64,
    units: i64,
    #[serde(default)]
    labels: BTreeMap<String, Label>,
    note: Option<Note>,
}

#[derive(Command, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[command(error = ShelfError, permission = "shelf.clear")]
pub struct Clear {
    #[id(Shelf)]
    shelf: String,
}

#[derive(Command, Clone, Debug, Serialize, Deserialize)]
pub struct Look;

#[derive(Debug, thiserror::Error, Serialize, Deserialize, JsonSchema)]
pub enum ShelfError {
    #[error("{units} units are too many")]
    TooMany { units: i64 },
    #[error("the shelf is empty")]
    Empty,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[event(name = "shelved", version = 1)]
pub struct Shelved {
    #[id(Shelf)]
    shelf: String,
    #[serde(flatten)]
    parcel: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Content {
    parcel: Uuid,
    kind: Kind,
    weight: f64,
    units: i64,
    labels: BTreeMap<String, Label>,
    note: Option<Note>,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[event(name = "shelf-cleared", version = 1)]
pub struct ShelfCleared {
    #[id(Shelf)]
    shelf: String,
}

#[derive(Default)]
pub struct Shelf {
    units: i64,
}

#[aggregate(name = "shelf", id = String)]
impl Shelf {
    #[apply]
    fn shelved(&mut self, event: &Shelved) {
        self.units += event.parcel.units;
    }

    #[apply]
    fn cleared(&mut self, _: &ShelfCleared) {
        self.units = 0;
    }
}

impl Validate for Shelve {
    fn validate(&self) -> Result<(), Invalid> {
        ensure!(
            !self.shelf.is_empty(),
            Invalid::field("shelf", "it is empty")
        );
        ensure!(
            self.labels.len() <= 20,
            Invalid::field("labels", "more than 20")
        );
        Ok(())
    }
}

#[command_handler]
fn shelve(command: Shelve, shelf: &Shelf) -> Result<Shelved, ShelfError> {
    let Shelve {
        shelf: id,
        parcel,
        kind,
        weight,
        units,
        labels,
        note,
    } = command;
    let total = shelf.units.checked_add(units);
    ensure!(
        total.is_some_and(|total| total.unsigned_abs() < 1 << 40),
        ShelfError::TooMany { units }
    );
    let parcel = Content {
        parcel,
        kind,
        weight,
        units,
        labels,
        note,
    };
    Ok(Shelved { shelf: id, parcel })
}

#[command_handler]
fn clear(Clear { shelf: id }: Clear, shelf: &Shelf) -> Result<ShelfCleared, ShelfError> {
    ensure!(shelf.units != 0, ShelfError::Empty);
    Ok(ShelfCleared { shelf: id })
}

#[command_handler]
fn look(_: Look) {}

#[derive(ReadModel, Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShelfCard {
    #[key]
    shelf: String,
    parcels: u64,
    last: Kind,
}

pub struct Shelves;

#[projection(name = "shelves", version = 1)]
impl Shelves {
    #[on]
    fn shelved(event: &Shelved, cards: &mut Views<ShelfCard>) -> Result<()> {
        let last = event.parcel.kind.clone();
        cards.upsert(
            &event.shelf,
            || ShelfCard {
                shelf: event.shelf.clone(),
                parcels: 1,
                last: last.clone(),
            },
            |card| {
                card.parcels += 1;
                card.last = last.clone();
            },
        )
    }

    #[on]
    fn cleared(event: &ShelfCleared, cards: &mut Views<ShelfCard>) {
        cards.delete(&event.shelf);
    }
}

#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Option<ShelfCard>)]
pub struct GetShelf {
    shelf: String,
}

#[query_handler]
async fn get_shelf(query: GetShelf, cards: Read<ShelfCard>) -> Result<Option<ShelfCard>> {
    cards.get(&query.shelf).await
}

#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = Repeated)]
pub struct Repeat {
    text: String,
    #[serde(default)]
    numbers: Vec<u32>,
    #[serde(default)]
    is_loud: bool,
    ratio: Option<f64>,
    kind: Option<Kind>,
    label: Option<Label>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Repeated(Repeat);

#[query_handler]
fn repeat(query: Repeat) -> Repeated {
    Repeated(query)
}

#[derive(Query, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[query(returns = u32, permission = "shelf.secret")]
pub struct Secret {}

#[query_handler]
fn secret(_: Secret) -> u32 {
    42
}

/// What has all of it, in memory. A query does not wait for a position that does not come.
pub fn builder() -> Builder {
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let builder = builder.authorizer(HeldPermissions);
    builder
        .max_wait(Duration::from_millis(1))
        .log_permission("log.read")
}
