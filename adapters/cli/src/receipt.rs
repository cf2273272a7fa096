use cqrs_core::Receipt;

use crate::out::GOOD;

/// A receipt in words.
pub fn outcome(receipt: &Receipt) -> String {
    let positions = match (receipt.events(), receipt.first(), receipt.last()) {
        (0, ..) => "nothing to change".to_owned(),
        (1, first, _) => format!("1 event at position {first}"),
        (events, first, last) => format!("{events} events at positions {first} to {last}"),
    };
    if receipt.replayed() {
        format!("{GOOD}processed before{GOOD:#}: {positions}")
    } else {
        format!("{GOOD}done{GOOD:#}: {positions}")
    }
}
