//! Sent commands and their answers, compared with the log.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_core::store::{
    Append, Appended, EventLog, EventLogExt, EventQuery, Events, ReadRange, Recorded, StoredCommand,
};
use cqrs_core::{CommandId, Position};
use tokio_postgres::Client;
use uuid::Uuid;

/// The final knowledge about a command.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It happened, here.
    Done(Appended),
    /// Something was in its way.
    Conflict,
    /// The store was away, or had no room: it did not happen.
    Refused,
    /// It may have happened.
    Unknown,
}

/// A command and what became of it.
pub struct Sent {
    pub append: Append,
    /// Everything up to here was acknowledged before it was sent.
    pub floor: Position,
    pub outcome: Outcome,
    /// Whether it was not known meanwhile whether it had happened.
    pub was_unknown: bool,
}

/// How often a command ended in which way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub done: usize,
    pub conflicts: usize,
    pub refused: usize,
    pub unknown: usize,
    pub were_unknown: usize,
}

/// The whole log: contiguous from 1.
pub async fn log(store: &dyn EventLog) -> Vec<Arc<Recorded>> {
    let mut events = Events::read(store, EventQuery::All, ReadRange::after(Position::START));
    let mut log = Vec::new();
    while let Some(event) = events.next().await.expect("the log can be read") {
        log.push(event);
        let last = log[log.len() - 1].position;
        assert_eq!(last.get(), log.len() as u64, "I3: contiguous from 1");
    }
    let head = store.head().await.expect("a head");
    assert_eq!(head.get(), log.len() as u64, "I3: up to the head");
    log
}

/// Compares everything that was sent with the log and the tables, which `client` reads.
pub async fn audit(
    sent: &[Sent],
    log: &[Arc<Recorded>],
    store: &dyn EventLog,
    client: &Client,
    schema: &str,
) -> Counts {
    let all = commands(client, schema).await;
    let mut found: HashMap<CommandId, Vec<&Recorded>> = HashMap::new();
    for event in log {
        found.entry(event.meta.command).or_default().push(event);
    }
    let mut counts = Counts::default();
    for (index, it) in sent.iter().enumerate() {
        let id = it.append.command;
        counts.were_unknown += usize::from(it.was_unknown);
        let (stored, events) = (all.get(&id).copied(), found.remove(&id));
        // What the store itself says; it is asked about some only, since it takes its time.
        if index % 16 == 0 {
            let said = store.command(id).await.expect("commands can be read");
            assert_eq!(said, stored, "the store about {id}");
        }
        let events = events.unwrap_or_default();
        match it.outcome {
            Outcome::Done(appended) => {
                counts.done += 1;
                let stored =
                    stored.unwrap_or_else(|| panic!("I7: {id} was acknowledged and is not there"));
                let answered = (appended.first, appended.last, appended.count);
                let is = (stored.first, stored.last, stored.count);
                assert_eq!(is, answered, "I6: where {id} is");
                // What happened before it was sent is before it, unless it happened twice.
                assert!(stored.last >= it.floor, "{id} came before what was known");
            }
            Outcome::Conflict | Outcome::Refused => {
                let count = match it.outcome {
                    Outcome::Conflict => &mut counts.conflicts,
                    _ => &mut counts.refused,
                };
                *count += 1;
                let word = "was said not to have happened";
                assert!(stored.is_none(), "{id} {word}: {stored:?}");
                assert!(events.is_empty(), "{id} {word}: {events:?}");
            }
            Outcome::Unknown => counts.unknown += 1,
        }
        compare(it, stored, &events);
    }
    assert!(found.is_empty(), "nobody sent these: {found:?}");
    chains(sent, log, &all);
    counts
}

/// I1: a command is there whole, under its id, or not at all.
fn compare(sent: &Sent, stored: Option<StoredCommand>, events: &[&Recorded]) {
    let append = &sent.append;
    let Some(stored) = stored else {
        assert!(events.is_empty(), "I1: events without a command {events:?}");
        return;
    };
    let id = append.command;
    assert_eq!(stored.fingerprint, append.fingerprint);
    assert_eq!(events.len(), append.events.len(), "I1, I6: events of {id}");
    for (index, (event, new)) in events.iter().zip(&append.events).enumerate() {
        assert_eq!(
            event.position,
            stored.first.plus(index as u64),
            "I1: in a row"
        );
        assert_eq!(event.data.payload, new.payload, "I1: in order");
        assert_eq!(event.data.tags, new.tags);
    }
}

/// I2: the appends to an account are a chain, each decided on the one before or on what came
/// later: between what it was decided on and where it is, nothing matches its boundary.
fn chains(sent: &[Sent], log: &[Arc<Recorded>], stored: &HashMap<CommandId, StoredCommand>) {
    let mut accounts: HashMap<_, Vec<Position>> = HashMap::new();
    for event in log {
        for tag in &event.data.tags {
            let tagged = EventQuery::tagged(tag.clone());
            let positions = accounts.entry(format!("{tagged:?}")).or_default();
            positions.push(event.position);
        }
    }
    for Append {
        command,
        boundaries,
        ..
    } in sent.iter().map(|it| &it.append)
    {
        let (Some(boundary), Some(at)) = (boundaries.first(), stored.get(command)) else {
            continue;
        };
        let Some(positions) = accounts.get(&format!("{:?}", boundary.fail_if)) else {
            continue;
        };
        let next = positions.partition_point(|it| *it <= boundary.after);
        // Without events, its position is the last one that it was decided on.
        let end = at.first.plus(u64::from(at.count == 0));
        if let Some(between) = positions.get(next).filter(|it| **it < end) {
            let after = boundary.after;
            panic!("I2: {command}, decided on {after}, is at {end}, but {between} changed it");
        }
    }
}

async fn commands(client: &Client, schema: &str) -> HashMap<CommandId, StoredCommand> {
    let select = format!("SELECT id, fingerprint, first, count FROM {schema}.commands");
    let rows = client.query(&select, &[]).await.expect("commands");
    let command = |row: &tokio_postgres::Row| {
        let number = |column| row.get::<_, i64>(column).cast_unsigned();
        let (first, count) = (Position::new(number(2)), number(3));
        let stored = StoredCommand::new(number(1), first, count);
        (CommandId::from(row.get::<_, Uuid>(0)), stored)
    };
    let commands: HashMap<_, _> = rows.iter().map(command).collect();
    assert_eq!(commands.len(), rows.len());
    // Every event here has one tag.
    let select = format!(
        "SELECT count(tag) + (SELECT count(*) FROM {schema}.event_tags), count(*) FROM {schema}.events"
    );
    let row = client.query_one(&select, &[]).await.expect("counts");
    let counts: (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(counts.0, counts.1, "I1: tags without events, or without");
    commands
}
