//! Verbs that change projections and reactions, for all processes.

use serde_json::{Value, json};

use crate::program::Program;

const LAPTOP: &str =
    r#"{"product_id": "P001", "name": "Laptop", "description": "fast", "price": 1200.5}"#;
const REACTION: &str = "announce_low_stock";

/// A product of which few units are left.
fn with_low_stock() -> Program {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let units = |units| ["--product-id", "P001", "--units", units];
    program.ok(&[&["send", "ReceiveStock"], &units("6") as &[_]].concat());
    let reserve = [&["send", "ReserveStock"], &units("2") as &[_]].concat();
    let reserved = program.run(&reserve);
    assert_eq!(reserved.err, "notice: product P001 runs low, 4 left\n");
    program
}

fn shown(program: &Program, arguments: &[&str]) -> Value {
    let out = program.ok(&[&["--json"], arguments].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn status(program: &Program, name: &str) -> Value {
    let mut all = shown(program, &["status"]);
    let list = all["subscriptions"].as_array_mut().expect("a list");
    let place = list.iter().position(|it| it["name"] == name);
    list.remove(place.expect("is listed"))
}

#[test]
fn a_pause_holds_until_it_is_ended() {
    let program = with_low_stock();
    let pause = ["pause", "statistics", "--reason", "ticket 4711"];
    assert_eq!(program.ok(&pause), "done: `statistics` is paused\n");
    let paused = status(&program, "statistics");
    assert_eq!(paused["state"], "paused");
    assert_eq!(paused["reason"], "it is paused: ticket 4711");
    program
        .run(&["retry", "statistics"])
        .fails(3, "`resume` it");
    let units = ["--product-id", "P001", "--units", "5"];
    let receive = program.run(&[&["send", "ReceiveStock"], &units as &[_]].concat());
    assert_eq!(receive.code, Some(0), "{receive:?}");
    assert!(receive.err.contains("warning: "), "{receive:?}");
    assert_eq!(status(&program, "statistics")["behind"], 1);
    program.ok(&["resume", "statistics"]);
    let statistics = program.ask("GetCatalogStatistics", "{}");
    assert_eq!(statistics["units_received"], 11);
    assert_eq!(status(&program, "statistics")["behind"], 0);
    program.ok(&["retry", "statistics"]);
    program.run(&["pause", "statistics"]).fails(2, "--reason");
    program
        .run(&["resume", "statistic"])
        .fails(2, "there is no projection or reaction `statistic`");
}

#[test]
fn a_reaction_that_is_rewound_handles_its_events_again_or_skips_them() {
    let program = with_low_stock();
    program.ok(&["rewind", REACTION, "0"]);
    let again = program.run(&["ask", "GetCatalogStatistics"]);
    let units = ["--product-id", "P001", "--units", "1"];
    let sent = program.run(&[&["send", "ReceiveStock"], &units as &[_]].concat());
    let notices = again.err + &sent.err;
    assert_eq!(notices, "notice: product P001 runs low, 4 left\n");

    program.ok(&["rewind", REACTION, "0"]);
    let skip = |position| {
        let reason = ["--reason", "told by hand"];
        program.run(&[&["skip", REACTION, position], &reason as &[_]].concat())
    };
    skip("1").fails(1, "can only skip its next event, at position 4");
    assert_eq!(skip("4").code, Some(0));
    let skipped = shown(&program, &["skipped", REACTION]);
    assert_eq!(skipped[0]["position"], 4);
    assert_eq!(skipped[0]["reason"], "told by hand");
    assert!(program.ok(&["skipped", REACTION]).contains("told by hand"));
    let sent = program.run(&[&["send", "ReceiveStock"], &units as &[_]].concat());
    assert_eq!(sent.err, "");
    program
        .run(&["rewind", REACTION, "99"])
        .fails(1, "moves back only");
}

#[test]
fn versions_are_listed_and_the_live_one_is_kept() {
    let program = with_low_stock();
    let versions = shown(&program, &["versions", "product-cards"]);
    let live: Vec<_> = versions.as_array().expect("a list").iter().collect();
    assert_eq!(
        (&live[0]["version"], &live[0]["live"]),
        (&json!(2), &json!(true))
    );
    let table = program.ok(&["versions", "product-cards"]);
    assert!(table.contains("      2  live   2"), "{table}");
    program.ok(&["switch", "product-cards"]);
    program
        .run(&["hold", "product-cards"])
        .fails(1, "version 2 of projection `product-cards` is live already");
    program
        .run(&["drop", "product-cards", "2"])
        .fails(1, "is live: `switch` to another one first");
    program
        .run(&["drop", "product-cards", "7"])
        .fails(1, "there is no version 7");
    program
        .run(&["compare", "product-cards"])
        .fails(1, "there is no version");
    program
        .run(&["versions", REACTION])
        .fails(2, "only projections have versions");
    program
        .run(&["divide", "product-cards", "2"])
        .fails(2, "is not partitioned");
}

#[test]
fn nothing_is_parked_in_the_catalog() {
    let program = with_low_stock();
    assert_eq!(shown(&program, &["parked"]), json!([]));
    assert!(program.ok(&["parked"]).contains("NAME"));
    assert_eq!(shown(&program, &["parked", "checkout"]), json!([]));
    program
        .run(&["release", "checkout", "7"])
        .fails(1, "`checkout` has not parked `7`");
    let all = program.ok(&["release", "checkout", "--all"]);
    assert_eq!(all, "done: `checkout` handles the events of 0 ids\n");
    program.run(&["release", "checkout"]).fails(2, "--all");
}

#[test]
fn operations_need_a_store() {
    for arguments in [
        &["versions", "product-cards"] as &[&str],
        &["pause", "product-cards", "--reason", "none"],
        &["parked"],
    ] {
        Program::new().run(arguments).fails(3, "there is no store");
    }
}

#[test]
fn the_openapi_document_needs_no_store() {
    let program = Program::new();
    let document = shown(&program, &["openapi", "--server", "https://shop.example"]);
    assert_eq!(document["info"]["title"], "Product catalog");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["servers"][0]["url"], "https://shop.example");
    assert!(document["paths"]["/commands/CreateProduct"]["post"].is_object());
    let entries = std::fs::read_dir(program.path("")).expect("its directory");
    assert_eq!(entries.count(), 0);
}
