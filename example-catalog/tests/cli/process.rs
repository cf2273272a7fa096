use crate::program::{Program, without_times};

#[test]
fn a_conversation_shows_its_state_its_deadlines_and_its_events() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let waiting = without_times(&program.ok(&["process", "checkout", "3"]));
    let expected = concat!(
        "running; began at position 20, handled up to 21\n",
        "state: {\"to_reserve\":[],\"reserved\":[\"P001\"]}\n",
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
    unknown.fails(1, "there are no events of an order 9");
    let unknown = program.run(&["process", "checkin", "1"]);
    unknown.fails(2, "checkout");
    let unknown = program.run(&["process", "checkout", "first"]);
    unknown.fails(2, "first");
}
