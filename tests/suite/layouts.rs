//! Databases in each earlier layout are migrated when a store opens them, and nothing is lost, even if
//! processes and servers are killed during the migration. There is a fixture of the first layout of each
//! store, `layouts/*.sql`, to which the later migrations are applied one by one.

mod killed_postgres;
#[cfg(target_os = "linux")]
mod killed_sqlite;
mod postgres;
mod sqlite;

use cqrs_core::store::{
    Append, CustomMetadata, EventData, EventLog, EventQuery, EventQueryItem, EventType, ReadRange,
    Recorded, Shard, StateKey, Store, Tag, Tags,
};
use cqrs_core::{CommandId, Position};
use uuid::Uuid;

/// The types of the events in a fixture: every 5,000th is rare.
const RARE: &str = "rare";

/// Tags of the event at a position of a fixture, as SQL writes them.
fn tags(position: u64) -> Vec<Tag> {
    let book = format!("book:{}", position % 100);
    let shelf = position
        .is_multiple_of(10)
        .then(|| format!("shelf:{}", position % 7));
    let texts = [book].into_iter().chain(shelf);
    texts.map(|text| Tag::from(text.as_str())).collect()
}

/// The id of the command of the event at a position of a fixture: the position, in the last bytes.
fn command(position: u64) -> CommandId {
    CommandId::from(Uuid::from_u128(position.into()))
}

/// Reads everything that matches, a page at a time.
async fn all(log: &impl EventLog, query: EventQuery, after: u64) -> Vec<Recorded> {
    let mut range = ReadRange::after(Position::new(after));
    let mut found = Vec::new();
    loop {
        let page = log.read(query.clone(), range).await.expect("is read");
        found.extend(page.events.iter().map(|event| Recorded::clone(event)));
        match page.next {
            Some(next) => range.after = next,
            None => return found,
        }
    }
}

fn positions(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.position.get()).collect()
}

/// Asserts that the store has the `count` events of a fixture, its commands, state and checkpoint, and
/// that its log continues.
async fn assert_migrated(log: &impl Store, count: u64) {
    assert_state_and_checkpoint(log, count).await;
    let tail = all(log, EventQuery::All, count - 100).await;
    assert_eq!(tail.len(), 100);
    for event in &tail {
        let position = event.position.get();
        assert_eq!(event.data.tags, Tags::from_iter(tags(position)));
        assert_eq!(event.meta.command, command(position));
    }
    for number in [1, count / 2, count] {
        let stored = log.command(command(number)).await.expect("is looked up");
        let stored = stored.expect("a command before the migration is known");
        assert_eq!((stored.first.get(), stored.count), (number, 1));
        let again = Append::new(command(number), Vec::new()).fingerprint(number);
        let answer = log.append(again).await.expect("is answered");
        assert!(answer.replayed && answer.first.get() == number);
    }

    // One event with the first tag of old ones, and one with it as a further tag.
    for (number, tags) in (1..).zip([&["shelf:1"][..], &["book:x", "shelf:1"]]) {
        let event = EventData {
            event_type: EventType::new(RARE),
            version: 1,
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
            payload: b"{}".to_vec(),
        };
        let append = Append::new(CommandId::new(), vec![event]);
        let appended = log.append(append).await.expect("is appended");
        assert_eq!(appended.first.get(), count + number);
    }
    let shelved = |position: &u64| position.is_multiple_of(10) && position % 7 == 1;
    let shelf: Vec<_> = (1..=count)
        .filter(shelved)
        .chain([count + 1, count + 2])
        .collect();
    let query = EventQuery::tagged(Tag::from("shelf:1"));
    assert_eq!(positions(&all(log, query, 0).await), shelf);

    let is_rare = |position: &u64| position.is_multiple_of(5_000);
    let rare: Vec<_> = (1..=count)
        .filter(is_rare)
        .chain([count + 1, count + 2])
        .collect();
    let item = |types: &[&'static str], tags: &[&str]| EventQueryItem {
        types: types.iter().copied().map(EventType::new).collect(),
        tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
    };
    let query = EventQuery::Items(vec![item(&[RARE], &[])]);
    assert_eq!(positions(&all(log, query, 0).await), rare);

    let both = |position: &u64| shelved(position) && position % 100 == 50;
    let both: Vec<_> = (1..=count).filter(both).collect();
    let query = EventQuery::Items(vec![item(&[], &["book:50", "shelf:1"])]);
    assert_eq!(positions(&all(log, query, 0).await), both);
}

/// The fixtures have the state of an aggregate and the checkpoint of a projection.
async fn assert_state_and_checkpoint(store: &impl Store, count: u64) {
    let key = StateKey {
        aggregate: "shelf",
        id: "1".to_owned(),
    };
    let states = store.capabilities().states.expect("the store has states");
    let found = states.states(vec![key]).await.expect("is read");
    let state = found[0].as_ref().expect("is found");
    assert_eq!(
        (&state.body[..], state.position.get()),
        (&br#"{"books":1}"#[..], count)
    );
    let checkpoint = store
        .checkpoint(&Shard::whole("projection:shelves:1"))
        .await;
    let checkpoint = checkpoint.expect("is read").expect("is found");
    assert_eq!(checkpoint.position.get(), count);
    assert_eq!(
        checkpoint.last_event, None,
        "the first layout has no last event"
    );
}

/// An append of one event with a tenant as custom metadata.
fn noted(tenant: &str) -> Append {
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: [Tag::from("book:1")].into_iter().collect(),
        payload: b"{}".to_vec(),
    };
    let metadata = CustomMetadata::from([("tenant", tenant)]);
    Append::new(CommandId::new(), vec![event]).metadata(metadata)
}

/// Asserts that the events after the 100th have these tenants.
async fn assert_have_tenants(log: &impl EventLog, tenants: &[Option<&str>]) {
    let events = all(log, EventQuery::All, 100).await;
    let found: Vec<_> = events
        .iter()
        .map(|it| it.meta.custom.get("tenant"))
        .collect();
    assert_eq!(found, tenants);
}
