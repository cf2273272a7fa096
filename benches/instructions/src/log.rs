//! A log of some deposits in one account.

use cqrs_core::store::{Append, EventData, EventLog as _, EventType, Tag, Tags};
use cqrs_core::{CommandId, Dispatcher, Memory, Module};

pub const ACCOUNT: u32 = 1;

/// Number of deposits.
const EVENTS: usize = 20;

/// A dispatcher of a module, with deposits of this version.
pub async fn with(module: Module, version: u32) -> Dispatcher {
    let log = Memory::new();
    let deposited = EventData {
        event_type: EventType::new("deposited"),
        version,
        tags: Tags::from(Tag::new("account", ACCOUNT)),
        payload: br#"{"account":1,"amount":1}"#.to_vec(),
    };
    let append = Append::new(CommandId::new(), vec![deposited; EVENTS]);
    log.append(append).await.expect("is appended");
    let builder = Dispatcher::builder().store(log).module(module);
    builder.build().await.expect("builds")
}
