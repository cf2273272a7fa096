//! Data that this process did not write, or not last.

use cqrs_conformance::LogFixture;
use cqrs_core::Position;
use cqrs_core::store::{
    AppendError, Boundary, EventLog, EventQuery, ReadRange, StateKey, StateWrite, StoreError, Tag,
};
use cqrs_umadb::UmaDb;

use super::{events, noted};
use crate::support::umadb::Log;

/// A backup is restored while the process runs, and the log may grow past what was seen before.
#[tokio::test]
async fn a_log_that_was_replaced_is_noticed_however_long_it_is() {
    for later in 0..3 {
        let Some(fixture) = Log::fresh("a_log_that_was_replaced_is_noticed", UmaDb::options())
        else {
            return;
        };
        let log = fixture.open_log().await;
        log.append(noted("book:A")).await.expect("appends");
        fixture.server.kill();
        fixture.server.save();
        fixture.server.restart();
        let seen = log.append(noted("book:B")).await.expect("appends").last;
        let incarnation = log.heads().incarnation();

        fixture.server.kill();
        fixture.server.restore();
        fixture.server.restart();
        let other = fixture.open_log().await;
        for _ in 0..later {
            other.append(noted("book:C")).await.expect("appends");
        }
        let nothing = EventQuery::tagged(Tag::from("book:none"));
        let boundary = Boundary::new(nothing.clone(), seen).incarnation(incarnation);
        let refused = log.append(noted("book:B").boundary(boundary)).await;
        assert!(
            matches!(refused, Err(AppendError::Store(StoreError::Rewound { seen: at, .. })) if at == seen),
            "{later} events later: {refused:?}"
        );
        assert_ne!(log.heads().incarnation(), incarnation);

        let page = log
            .read(nothing.clone(), ReadRange::after(seen))
            .await
            .expect("a page");
        assert_eq!(page.as_of, Position::new(1 + later));
        let boundary = Boundary::new(nothing, page.as_of).incarnation(log.heads().incarnation());
        let appended = log.append(noted("book:B").boundary(boundary)).await;
        assert_eq!(appended.expect("it was read anew").last, page.as_of.plus(1));
    }
}

/// What the process knows may be that there is no event about an aggregate: it has read none by which
/// the log could be recognized.
#[tokio::test]
async fn a_log_that_was_replaced_is_noticed_by_a_process_that_read_no_event() {
    let Some(fixture) = Log::fresh("a_process_that_read_no_event", UmaDb::options()) else {
        return;
    };
    let other = fixture.open_log().await;
    for _ in 0..3 {
        other.append(noted("book:B")).await.expect("appends");
    }
    fixture.server.kill();
    fixture.server.save();
    fixture.server.clear();
    fixture.server.restart();
    let other = fixture.open_log().await;
    other.append(noted("book:A")).await.expect("appends");

    let log = fixture.open_log().await;
    let nothing = EventQuery::tagged(Tag::from("book:none"));
    let page = log.read(nothing.clone(), ReadRange::after(Position::START));
    let seen = page.await.expect("a page").as_of;
    let incarnation = log.heads().incarnation();
    assert_eq!(seen, Position::new(1));

    fixture.server.kill();
    fixture.server.restore();
    fixture.server.restart();
    let boundary = Boundary::new(nothing, seen).incarnation(incarnation);
    let refused = log.append(noted("book:C").boundary(boundary)).await;
    assert!(
        matches!(refused, Err(AppendError::Store(StoreError::Rewound { .. }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_append_of_another_process_raises_the_known_head() {
    let Some(fixture) = Log::fresh("an_append_of_another_process", UmaDb::options()) else {
        return;
    };
    let (log, other) = (fixture.open_log().await, fixture.open_log().await);
    for number in 1..4 {
        let last = other.append(noted("book:A")).await.expect("appends").last;
        assert_eq!(last, Position::new(number));
        assert_eq!(log.heads().reached(last).await, last);
    }
}

/// The log has a server of its own; this is how it shows that it has not.
#[tokio::test]
async fn an_event_of_another_client_is_reported_with_its_position() {
    let Some(fixture) = Log::fresh("an_event_of_another_client", UmaDb::options()) else {
        return;
    };
    let log = fixture.open_log().await;
    log.append(noted("book:A")).await.expect("appends");
    fixture.server.append_as_another_client();
    let range = ReadRange::after(Position::START);
    match log.read(EventQuery::All, range).await {
        Err(StoreError::Corrupt { reason }) => {
            assert!(reason.contains("position 2"), "{reason}");
            assert!(reason.contains("give it a database of its own"), "{reason}");
        }
        outcome => panic!("it is not ours: {outcome:?}"),
    }
    let ours = EventQuery::tagged(Tag::from("book:A"));
    let page = log.read(ours, range).await.expect("it does not match");
    assert_eq!(page.events.len(), 1);
}

#[tokio::test]
async fn what_the_server_cannot_keep_is_invalid() {
    let Some(fixture) = Log::fresh("what_the_server_cannot_keep_is_invalid", UmaDb::options())
    else {
        return;
    };
    let log = fixture.open_log().await;
    let state = StateWrite {
        key: StateKey {
            aggregate: "book",
            id: "B".to_owned(),
        },
        body: b"{}".to_vec(),
        based_on: None,
    };
    let mut large = noted("book:B");
    large.events = vec![large.events[0].clone(); 5];
    for event in &mut large.events {
        event.payload = vec![b'1'; 1 << 20];
    }
    let mut wide = noted("book:B");
    wide.events = vec![wide.events[0].clone(); 10_000];
    wide.actor = Some("a".repeat(200));
    wide.correlation = uuid::Uuid::now_v7();
    wide.causation = uuid::Uuid::now_v7();
    for event in &mut wide.events {
        event.payload = vec![b'1'; 300];
    }
    for (append, reason) in [
        (noted("$command:1"), "reserved"),
        (noted("book:B").state(state), "states"),
        (large, "at most 4194304"),
        (wide, "at most 4194304"),
    ] {
        match log.append(append).await {
            Err(AppendError::Invalid { reason: found }) => {
                assert!(found.contains(reason), "{reason}: {found}");
            }
            outcome => panic!("{reason}: {outcome:?}"),
        }
    }
    assert!(events(&log).await.is_empty());
}

/// Pages of a log whose parts the server sends in several messages.
#[tokio::test]
async fn pages_of_large_events_end_early_and_tell_the_head() {
    let Some(fixture) = Log::fresh("pages_of_large_events", UmaDb::options()) else {
        return;
    };
    let log = fixture.open_log().await;
    for _ in 0..20 {
        let mut append = noted("book:B");
        append.events[0].payload = vec![b'1'; 1 << 20];
        log.append(append).await.expect("appends");
    }
    let mut range = ReadRange::after(Position::START);
    let mut seen = 0;
    loop {
        let page = log.read(EventQuery::All, range).await.expect("a page");
        assert_eq!(page.as_of, Position::new(20));
        assert!(page.events.len() <= 9, "{}", page.events.len());
        seen += page.events.len();
        let Some(next) = page.next else { break };
        range.after = next;
    }
    assert_eq!(seen, 20);
}
