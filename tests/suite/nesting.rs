//! Async handlers that send commands.

use std::sync::{Arc, OnceLock};

use cqrs_core::app::Builder;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::stores::on_each_with;

cqrs_core::module!();

/// What a handler does before it decides.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum First {
    Nothing,
    /// Decides about the folder, too.
    Rename(u32),
    /// Writes an event that concerns the folder, without reading it.
    Stamp(u32),
    /// Sends a [`Forward`], which renames the folder.
    Forward(u32),
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Move {
    #[id(Folder)]
    folder: u32,
    first: First,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Rename {
    #[id(Folder)]
    folder: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Stamp {
    folder: u32,
}

/// About another aggregate.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Forward {
    #[id(Desk)]
    desk: u32,
    folder: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "folder-moved", version = 1)]
pub struct FolderMoved {
    #[id(Folder)]
    folder: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "desk-cleared", version = 1)]
pub struct DeskCleared {
    #[id(Desk)]
    desk: u32,
}

#[derive(Default)]
pub struct Folder;

#[aggregate(id = u32)]
impl Folder {
    #[apply]
    fn moved(&mut self, _: &FolderMoved) {}
}

#[derive(Default)]
pub struct Desk;

#[aggregate(id = u32)]
impl Desk {
    #[apply]
    fn cleared(&mut self, _: &DeskCleared) {}
}

/// The dispatcher, for handlers that send commands themselves.
#[derive(Default)]
pub struct Office(OnceLock<Dispatcher>);

impl Office {
    fn app(&self) -> &Dispatcher {
        self.0.get().expect("the office is open")
    }
}

#[command_handler]
async fn relocate(
    cmd: Move,
    _: &Folder,
    office: Service<Office>,
) -> Result<FolderMoved, CommandError<Rejected>> {
    match cmd.first {
        First::Nothing => {}
        First::Rename(folder) => {
            office.app().execute(Rename { folder }).await?;
        }
        First::Stamp(folder) => {
            office.app().execute(Stamp { folder }).await?;
        }
        First::Forward(folder) => {
            office.app().execute(Forward { desk: 1, folder }).await?;
        }
    }
    Ok(FolderMoved { folder: cmd.folder })
}

#[command_handler]
fn rename(cmd: Rename, _: &Folder) -> FolderMoved {
    FolderMoved { folder: cmd.folder }
}

#[command_handler]
fn stamp(cmd: Stamp) -> FolderMoved {
    FolderMoved { folder: cmd.folder }
}

#[command_handler]
async fn forward(
    cmd: Forward,
    _: &Desk,
    office: Service<Office>,
) -> Result<DeskCleared, CommandError<Rejected>> {
    let folder = cmd.folder;
    office.app().execute(Rename { folder }).await?;
    Ok(DeskCleared { desk: cmd.desk })
}

/// Runs the test on each store, once with the office's own dispatcher, and once with another one of
/// the same store.
async fn in_each_office<F: Future>(test: impl Fn(Dispatcher) -> F) {
    for is_shared in [true, false] {
        let office = Arc::new(Office::default());
        let with = |builder: Builder| builder.provide(office.clone());
        on_each_with(module(), with, |app| {
            let test = &test;
            async move {
                let office = Arc::new(Office::default());
                let builder = || {
                    let builder = Dispatcher::builder().module(module());
                    let builder = builder.provide(office.clone());
                    builder.stores_of(&app)
                };
                let sender = builder().build().await.expect("builds");
                let own = if is_shared {
                    sender.clone()
                } else {
                    builder().build().await.expect("builds")
                };
                office.0.set(own).ok().expect("is set once");
                test(sender).await;
            }
        })
        .await;
    }
}

fn refused(handler: &str) -> String {
    format!(
        "`{handler}` cannot decide about `folder:1` while `relocate`, which sent its command, is \
         deciding about it: return the events of both from `relocate`, or send the command from an \
         event handler"
    )
}

#[tokio::test]
async fn a_handler_that_sends_a_command_about_its_own_aggregate_is_refused_at_once() {
    in_each_office(|app| async move {
        for (first, inner) in [
            (First::Rename(1), "rename"),
            (First::Stamp(1), "stamp"),
            (First::Forward(1), "rename"),
        ] {
            let error = app.execute(Move { folder: 1, first }).await;
            let error = error.expect_err("is refused");
            let CommandError::Failed(Failure::Nested { .. }) = error else {
                panic!("{first:?}: {error}");
            };
            assert_eq!(error.to_string(), refused(inner));
            let events = app.events(EventQuery::All).all().await.expect("reads");
            assert!(events.is_empty(), "{first:?}");
        }
        let first = First::Nothing;
        let moved = app.execute(Move { folder: 1, first }).await;
        moved.expect("the next command works");
    })
    .await;
}

#[tokio::test]
async fn a_handler_may_send_commands_about_other_aggregates() {
    in_each_office(|app| async move {
        for first in [First::Rename(2), First::Stamp(2), First::Forward(2)] {
            let moved = app.execute(Move { folder: 1, first }).await;
            moved.unwrap_or_else(|error| panic!("{first:?}: {error}"));
        }
    })
    .await;
}
