use cqrs_core::store::{EventLog, TypeCounts};

use super::client::{append, open_many};
use super::draft::Draft;
use crate::{LogFixture, Outcome};

/// The events of other types than the known ones are counted, wherever in the log they are and whichever
/// process wrote them.
pub async fn other_types_are_counted<F: LogFixture>(fixture: &F) -> Outcome {
    let stores = open_many(fixture, 2).await;
    let Some(counts) = stores[1].capabilities().type_counts else {
        return Outcome::NotClaimed("counts of types");
    };
    assert_eq!(counted(counts, &[], 10).await, [], "of an empty log");
    let draft = (0..700).fold(Draft::new(), |draft, number| {
        let event_type = match number {
            3 | 690 => "rare",
            600 => "it's \"odd\"",
            _ if number % 2 == 0 => "even",
            _ => "odd",
        };
        draft.event(event_type, &["log:L"])
    });
    append(&*stores[0], &draft).await;
    let all = [
        ("even", 348),
        ("it's \"odd\"", 1),
        ("odd", 349),
        ("rare", 2),
    ];
    assert_eq!(counted(counts, &[], 1000).await, owned(&all), "all types");
    let unknown = counted(counts, &["even", "odd", "never"], 1000).await;
    let some = [("it's \"odd\"", 1), ("rare", 2)];
    assert_eq!(unknown, owned(&some), "other types");
    let limited = counted(counts, &["rare"], 300).await;
    let limits = [("even", 300), ("it's \"odd\"", 1), ("odd", 300)];
    assert_eq!(limited, owned(&limits), "up to a limit");
    Outcome::Kept
}

async fn counted(
    counts: &dyn TypeCounts,
    known: &[&'static str],
    limit: u64,
) -> Vec<(String, u64)> {
    let other = counts.other_types(known.to_vec(), limit).await;
    let mut all = Vec::new();
    for (event_type, count) in other.expect("counts") {
        all.push((event_type.into(), count));
    }
    all
}

fn owned(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    let counts = counts.iter();
    counts
        .map(|(event_type, count)| ((*event_type).to_owned(), *count))
        .collect()
}
