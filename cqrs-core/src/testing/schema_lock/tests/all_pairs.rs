use super::judged;
use super::pairs::all;

/// Each type of the table beside each other: whatever the judgement lets pass is read, and almost everything
/// that it refuses is refused by serde.
#[test]
fn the_judgement_agrees_with_serde_about_all_types() {
    let types = all();
    assert!(types.len() >= 120, "{}", types.len());
    let mut alarms = Vec::new();
    let mut pairs = 0;
    for written in &types {
        for read in &types {
            pairs += 1;
            if let Err(alarm) = judged(written, read) {
                alarms.push(alarm);
            }
        }
    }
    assert!(
        alarms.is_empty(),
        "{} of {pairs}:\n{}",
        alarms.len(),
        alarms.join("\n")
    );
}
