use std::sync::Arc;

use cqrs_core::Timestamp;
use cqrs_core::store::{EventLog, EventLogExt};

use super::client::{append, log, open, open_many};
use super::draft::{Draft, micros};
use crate::{LogFixture, Outcome};

/// The position at a time is that of the last event recorded at that time or earlier.
pub async fn a_time_has_a_position<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let at = async |time: Timestamp| {
        let position = store.position_at(time).await;
        position.expect("the log can be read")
    };
    let start = at(micros(5)).await;
    assert_eq!(start.get(), 0, "in an empty log");

    let mut recorded = vec![start];
    for time in [
        1_000_000, 2_000_000, 2_000_000, 2_000_000, 2_000_001, 9_000_000,
    ] {
        let draft = Draft::new().event("noted", &["book:B"]);
        recorded.push(append(&*store, &draft.at(micros(time))).await.last);
    }
    let between = Timestamp::from_nanosecond(2_000_000_999).expect("a time");
    for (time, count) in [
        (Timestamp::MIN, 0),
        (micros(999_999), 0),
        (micros(1_000_000), 1),
        (micros(1_500_000), 1),
        (micros(2_000_000), 4),
        (between, 4),
        (micros(2_000_001), 5),
        (micros(8_999_999), 5),
        (micros(9_000_000), 6),
        (Timestamp::MAX, 6),
    ] {
        assert_eq!(at(time).await, recorded[count], "the position at {time}");
    }
}

/// The recorded time of an event is that of its command, or of an earlier event if that is later,
/// even if several processes append with different clocks. A log without ordered times need not
/// raise times, nor know those of other processes.
pub async fn recorded_times_are_sent_or_raised<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let recorded = record_out_of_order(&stores).await;
    for (place, time) in recorded.iter().enumerate() {
        let sent = micros(SENT[place / 2]);
        let is_raised = *time > sent && recorded[..place].contains(time);
        assert!(
            *time == sent || is_raised,
            "times are kept or raised to an earlier event's: {recorded:?}"
        );
    }
}

/// Recorded times never decrease along the log, even if several processes append with different
/// clocks.
pub async fn times_never_decrease<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    if !stores[0].capabilities().ordered_times {
        return Outcome::NotClaimed("ordered times");
    }
    let recorded = record_out_of_order(&stores).await;
    assert!(
        recorded.is_sorted(),
        "times never decrease along the log: {recorded:?}"
    );
    Outcome::Kept
}

/// Times of commands whose clocks differ, in microseconds.
const SENT: [i64; 5] = [5_000_000, 3_000_000, -1, 7_000_000, 6_999_999];

/// Appends two events at each of the times, through one process after the other. Returns the
/// recorded times.
async fn record_out_of_order<S: EventLog>(stores: &[Arc<S>]) -> Vec<Timestamp> {
    for (place, time) in SENT.into_iter().enumerate() {
        let draft = Draft::new()
            .event("noted", &["book:B"])
            .event("noted", &["book:B"])
            .at(micros(time));
        append(&*stores[place % stores.len()], &draft).await;
    }
    let log = log(&*stores[0]).await;
    assert_eq!(log.len(), 2 * SENT.len(), "recorded events");
    log.iter().map(|event| event.meta.time).collect()
}
