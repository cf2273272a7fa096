//! Commands that were sent again, in one batch with their first sending.

use std::sync::atomic::Ordering;

use cqrs_conformance::StoreFixture;
use cqrs_core::store::{Append, EventData, EventLog, EventType, Tag, Tags};
use cqrs_core::{CommandId, Timestamp};
use cqrs_postgres::Postgres;
use tokio::join;

use crate::outage::proxy::Proxy;
use crate::support::postgres::Schema;

/// A command with an event, and with an id that a dispatcher has assigned.
fn noted() -> Append {
    let event = EventData {
        event_type: EventType::new("noted"),
        version: 1,
        tags: Tags::from(Tag::new("item", 1)),
        payload: b"{}".to_vec(),
    };
    Append::new(CommandId::assigned(Timestamp::now()), vec![event]).given_id(false)
}

/// I6: the process does not know that the command was recorded. It looks for the repetition, and finds
/// what both are answered with.
#[tokio::test]
async fn a_first_sending_and_its_repetition_get_the_recorded_answer_from_one_lookup() {
    const TEST: &str = "a_first_sending_and_its_repetition_get_the_recorded_answer_from_one_lookup";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let first = noted();
    let again = first.clone().given_id(true);
    let elsewhere = schema.open().await;
    let recorded = elsewhere.append(again.clone()).await;
    let recorded = recorded.expect("it is appended");
    drop(elsewhere);
    let marker = ".commands (id, fingerprint, first, count, resent)";
    let (proxy, trips) = Proxy::counting(schema.url(), marker).await;
    let store = schema.options().connect(&proxy.url(schema.url())).await;
    let store = store.expect("it connects");
    // Opens the connection that writes.
    store.append(noted()).await.expect("it is appended");
    let before = trips.load(Ordering::Relaxed);
    let answers = join!(store.append(first), store.append(again));
    for answer in [answers.0, answers.1] {
        let answer = answer.expect("it was recorded");
        assert!(answer.replayed);
        assert_eq!((answer.first, answer.count), (recorded.first, 1));
    }
    assert!(before > 0, "the connection that writes is counted");
    assert_eq!(trips.load(Ordering::Relaxed) - before, 1);
}
