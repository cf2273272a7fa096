//! The values of an append in the columns of PostgreSQL's tables, read by name. The store sends them as
//! whole rows, whose values the server tells apart by their order.

use cqrs_conformance::StoreFixture;
use cqrs_core::store::{Append, EventData, EventLog, EventType, StateKey, StateWrite, Tag, Tags};
use cqrs_core::{CommandId, EventId, Timestamp};
use cqrs_postgres::Options;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::postgres::Schema;

/// An append in which no two values are equal.
fn append(number: i64, tags: &[&str]) -> Append {
    let event = EventData {
        event_type: EventType::from(format!("type-{}", number % 4)),
        version: 7,
        tags: tags.iter().map(|tag| Tag::from(*tag)).collect::<Tags>(),
        payload: format!(r#"{{"number":{number}}}"#).into_bytes(),
    };
    Append::new(CommandId::new(), vec![event])
        .fingerprint(number.cast_unsigned() + 100)
        .at(Timestamp::from_second(number).expect("a time"))
        .by(format!("actor-{number}"))
        .correlation(Uuid::now_v7())
        .caused_by(Uuid::now_v7())
}

/// The same with an id that a dispatcher has assigned, which is also correlation and causation.
fn with_assigned_id(append: Append) -> Append {
    let id = CommandId::assigned(append.time);
    let assigned = Append::new(id, append.events)
        .given_id(false)
        .fingerprint(append.fingerprint)
        .at(append.time);
    match append.actor {
        Some(actor) => assigned.by(actor),
        None => assigned,
    }
}

async fn assert_stored(client: &Client, append: &Append, position: i64, tags: &[&str]) {
    let select = "SELECT * FROM events WHERE position = $1";
    let row = client.query_one(select, &[&position]).await.expect("a row");
    let command = append.command.as_uuid();
    let [event] = &append.events[..] else {
        panic!("one event");
    };
    let id = EventId::of(append.command, 0).as_uuid();
    assert_eq!(row.get::<_, Uuid>("id"), id);
    assert_eq!(row.get::<_, &str>("type"), event.event_type.as_str());
    assert_eq!(row.get::<_, i64>("version"), 7);
    assert_eq!(row.get::<_, i64>("time"), append.time.as_microsecond());
    assert_eq!(row.get::<_, Option<String>>("actor"), append.actor);
    assert_eq!(row.get::<_, Uuid>("command"), command);
    let unlike_command = |id| (id != command).then_some(id);
    assert_eq!(
        row.get::<_, Option<Uuid>>("correlation"),
        unlike_command(append.correlation)
    );
    assert_eq!(
        row.get::<_, Option<Uuid>>("causation"),
        unlike_command(append.causation)
    );
    assert_eq!(row.get::<_, &[u8]>("payload"), event.payload);
    assert_eq!(row.get::<_, Option<&str>>("tag"), tags.first().copied());
    let all_tags = row.get::<_, Option<&str>>("all_tags");
    let all_tags = all_tags.map(|json| serde_json::from_str::<Vec<String>>(json).expect("JSON"));
    let several = (tags.len() > 1).then(|| tags.iter().map(|tag| (*tag).to_owned()).collect());
    assert_eq!(all_tags, several);
    let fingerprint = append.fingerprint.cast_signed();
    let in_event = (!append.has_given_id).then_some(fingerprint);
    assert_eq!(row.get::<_, Option<i64>>("fingerprint"), in_event);
    assert_eq!(shown(client, position).await, serde_json::json!(tags));

    let select = "SELECT FROM type_blocks WHERE type = $1 AND block = 0";
    let blocks = client.query(select, &[&event.event_type.as_str()]).await;
    assert_eq!(blocks.expect("rows").len(), 1);

    let select = "SELECT tag FROM event_tags WHERE position = $1 ORDER BY tag";
    let rows = client.query(select, &[&position]).await.expect("rows");
    let found: Vec<String> = rows.iter().map(|row| row.get("tag")).collect();
    assert_eq!(found, tags[1.min(tags.len())..]);

    let select = "SELECT * FROM commands WHERE id = $1";
    let row = client
        .query_opt(select, &[&command])
        .await
        .expect("is read");
    assert_eq!(row.is_some(), append.has_given_id);
    let Some(row) = row else {
        return;
    };
    assert_eq!(row.get::<_, i64>("fingerprint"), fingerprint);
    assert_eq!(row.get::<_, i64>("first"), position);
    assert_eq!(row.get::<_, i64>("count"), 1);
}

/// The tags of an event in the view for people.
async fn shown(client: &Client, position: i64) -> serde_json::Value {
    let select = "SELECT tags::text FROM events_json WHERE position = $1";
    let row = client.query_one(select, &[&position]).await.expect("a row");
    serde_json::from_str(row.get(0)).expect("JSON")
}

#[tokio::test]
async fn each_value_is_in_the_column_of_its_name() {
    let name = "each_value_is_in_the_column_of_its_name";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    let store = schema.open().await;
    let client = schema.client().await;
    let path = format!("SET search_path TO {}", schema.name());
    client.batch_execute(&path).await.expect("is set");

    // Rows of all tables.
    let alone = append(1, &["a:1"]);
    let tagged = append(2, &["b:1", "c:1"]);
    let untagged = with_assigned_id(append(3, &[]));
    let stored = append(4, &["d:1"]).state(StateWrite {
        key: StateKey {
            aggregate: "stock",
            id: "S".to_owned(),
        },
        body: b"{}".to_vec(),
        based_on: None,
    });
    for append in [&alone, &tagged, &untagged, &stored] {
        store.append(append.clone()).await.expect("is appended");
    }
    assert_stored(&client, &alone, 1, &["a:1"]).await;
    assert_stored(&client, &tagged, 2, &["b:1", "c:1"]).await;
    assert_stored(&client, &untagged, 3, &[]).await;
    assert_stored(&client, &stored, 4, &["d:1"]).await;
    let select = "SELECT * FROM states";
    let row = client.query_one(select, &[]).await.expect("a row");
    assert_eq!(row.get::<_, &str>("aggregate"), "stock");
    assert_eq!(row.get::<_, &str>("id"), "S");
    assert_eq!(row.get::<_, &[u8]>("body"), b"{}");
    assert_eq!(row.get::<_, i64>("position"), 4);

    // The types are known by now, so events need no other rows: one alone, and then several.
    let alone = with_assigned_id(append(5, &["e:1"]));
    let appended = store.append(alone.clone()).await;
    assert_eq!(appended.expect("is appended").first.get(), 5);
    assert_stored(&client, &alone, 5, &["e:1"]).await;
    let appends: Vec<_> = (6..9)
        .map(|number| with_assigned_id(append(number, &["e:1"])))
        .collect();
    let sent = appends.iter().map(|append| store.append(append.clone()));
    let appended = futures_util::future::join_all(sent).await;
    for (append, appended) in appends.iter().zip(appended) {
        let position = appended.expect("is appended").first.get();
        assert_stored(&client, append, position.cast_signed(), &["e:1"]).await;
    }
}
