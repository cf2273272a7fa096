use cqrs_core::store::EventLogExt;
use cqrs_core::{Position, Timestamp};

use super::client::{append, log, open, open_many};
use super::draft::{Draft, micros};
use crate::LogFixture;

/// The position at a time is that of the last event recorded then or before.
pub async fn a_time_has_a_position<F: LogFixture>(fixture: &F) {
    let store = open(fixture).await;
    let at = async |time: Timestamp| {
        store
            .position_at(time)
            .await
            .expect("the log can be read")
            .get()
    };
    assert_eq!(at(micros(5)).await, 0, "in an empty log");

    for time in [
        1_000_000, 2_000_000, 2_000_000, 2_000_000, 2_000_001, 9_000_000,
    ] {
        append(
            &*store,
            &Draft::new().event("noted", &["book:B"]).at(micros(time)),
        )
        .await;
    }
    let positions = [
        (Timestamp::MIN, 0),
        (micros(999_999), 0),
        (micros(1_000_000), 1),
        (micros(1_500_000), 1),
        (micros(2_000_000), 4),
        (micros(2_000_001), 5),
        (micros(8_999_999), 5),
        (micros(9_000_000), 6),
        (Timestamp::MAX, 6),
    ];
    for (time, position) in positions {
        assert_eq!(at(time).await, position, "the position at {time}");
    }
    let between = Timestamp::from_nanosecond(2_000_000_999).expect("a time");
    assert_eq!(at(between).await, 4, "between two microseconds");
}

/// Recorded times never decrease, whatever the clocks of those who append say, and also when
/// several processes append.
pub async fn times_never_decrease<F: LogFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    for (place, time) in [5_000_000, 3_000_000, -1, 7_000_000, 6_999_999]
        .into_iter()
        .enumerate()
    {
        let draft = Draft::new()
            .event("noted", &["book:B"])
            .event("noted", &["book:B"]);
        append(&*stores[place % 2], &draft.at(micros(time))).await;
    }
    let times: Vec<_> = log(&*stores[0])
        .await
        .iter()
        .map(|event| event.meta.time)
        .collect();
    let expected = [5, 5, 5, 5, 5, 5, 7, 7, 7, 7].map(|seconds| micros(seconds * 1_000_000));
    assert_eq!(times, expected, "each is raised to the last event's");
    let at = stores[1]
        .position_at(micros(5_000_000))
        .await
        .expect("the log can be read");
    assert_eq!(at, Position::new(6));
}
