use serde_json::Value;

use crate::program::{Program, without_times};

#[test]
fn a_conversation_shows_its_state_its_deadlines_and_its_events() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let waiting = without_times(&program.ok(&["process", "checkout", "3"]));
    let expected = concat!(
        "running; began at position 20, handled up to 21\n",
        "state: {\"reserved\":[\"P001\"],\"to_reserve\":[]}\n",
        "\n",
        "deadlines\n",
        " BECAUSE OF  DUE                       NAME             JSON\n",
        "         21  0000-00-00 00:00:00.000Z  payment-overdue  {\"order_id\":3}\n",
        "\n",
        "history\n",
        " POSITION  TIME                      EVENT                   ACTOR  CORRELATION  CAUSATION\n",
        "       20  0000-00-00 00:00:00.000Z  order-placed v1         clerk  ",
    );
    let shown = &waiting[..expected.len().min(waiting.len())];
    assert_eq!(shown, expected, "{waiting}");
    let canceled = program.ok(&["process", "checkout", "4"]);
    assert!(canceled.starts_with("ended at position"), "{canceled}");
    let of_rejection = "process:checkout:rejected v1";
    assert!(canceled.contains(of_rejection), "{canceled}");
    assert!(!canceled.contains("deadlines"), "{canceled}");
}

#[test]
fn an_order_that_nobody_has_placed_is_not_found() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let unknown = program.run(&["process", "checkout", "9"]);
    unknown.fails(1, "there is no instance of `checkout` with the id `9`");
    let unknown = program.run(&["process", "checkin", "1"]);
    unknown.fails(2, "there is no process manager `checkin`");
    let unknown = program.run(&["--json", "process", "checkou"]);
    unknown.fails(2, "did you mean `checkout`?");
}

#[test]
fn all_instances_and_their_deadlines_are_listed() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let shown = |arguments: &[&str]| -> Value {
        let out = program.ok(&[&["--json"], arguments].concat());
        serde_json::from_str(&out).expect("JSON")
    };
    let all = shown(&["process", "checkout"]);
    let all = all.as_array().expect("a list");
    let ids: Vec<_> = all.iter().map(|it| it["id"].as_str()).collect();
    // The third one waits for its payment, and is the only one that is running.
    assert_eq!(ids, ["1", "2", "3", "4"].map(Some));
    let ended: Vec<_> = all.iter().map(|it| it["ended"].is_u64()).collect();
    assert_eq!(ended, [true, true, false, true]);
    let deadlines = shown(&["deadlines"]);
    assert_eq!(deadlines.as_array().map(Vec::len), Some(1));
    assert_eq!(deadlines[0]["name"], "payment-overdue");
    assert_eq!(deadlines[0]["instance"], "3");
    assert_eq!(deadlines, shown(&["deadlines", "checkout"]));
    let one = shown(&["process", "checkout", "3"]);
    assert_eq!(one["instance"], all[2]);
    assert_eq!(one["history"][0]["type"], "order-placed");
    let table = program.ok(&["process", "checkout"]);
    assert_eq!(table.matches("ended at position").count(), 3, "{table}");
    let table = program.ok(&["deadlines"]);
    assert!(table.contains("payment-overdue"), "{table}");
    program
        .run(&["deadlines", "check"])
        .fails(2, "there is no process manager `check`");
}
