//! Commands that are sent at a later time.

#[cfg(unix)]
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::Program;
#[cfg(unix)]
use crate::serve::Served;

const LAPTOP: &str =
    r#"{"product_id": "P001", "name": "Laptop", "description": "fast", "price": 1200.5}"#;

fn shown(program: &Program, arguments: &[&str]) -> Value {
    let out = program.ok(&[&["--json"], arguments].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// Schedules a price for the laptop, and returns the id.
fn schedule(program: &Program, price: &str, when: [&str; 2]) -> String {
    let fields = ["--product-id", "P001", "--new-price", price];
    let send = ["send", "UpdateProductPrice"];
    let scheduled = shown(program, &[&send as &[_], &fields, &when].concat());
    scheduled["scheduled"].as_str().expect("an id").to_owned()
}

fn ids(program: &Program) -> Vec<String> {
    let all = shown(program, &["scheduled"]);
    let all = all.as_array().expect("a list").iter();
    let ids = all.map(|it| it["id"].as_str().expect("an id").to_owned());
    ids.collect()
}

#[test]
fn a_scheduled_command_is_listed_moved_and_canceled() {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    assert_eq!(shown(&program, &["scheduled"]), json!([]));
    let late = schedule(&program, "900", ["--in", "30d"]);
    let early = schedule(&program, "800", ["--at", "2200-01-01T00:00:00Z"]);
    // No process has handled anything of it since.
    assert_eq!(ids(&program), [late.clone(), early.clone()]);
    // One that carries out what is due knows them as well.
    program.ok(&["ask", "GetProductById", "--product-id", "P001"]);
    assert_eq!(ids(&program), [late.clone(), early.clone()]);

    let moved = program.ok(&["reschedule", &early, "--in", "2h 30m"]);
    assert_eq!(moved, format!("moved: {early}\n"));
    assert_eq!(ids(&program), [early.clone(), late.clone()]);
    let table = program.ok(&["scheduled"]);
    assert!(
        table.contains("waiting  UpdateProductPrice  clerk"),
        "{table}"
    );

    assert_eq!(
        program.ok(&["cancel", &late]),
        format!("canceled: {late}\n")
    );
    assert_eq!(
        shown(&program, &["cancel", &late]),
        json!({"canceled": late})
    );
    assert_eq!(ids(&program), [early]);
    let canceled = shown(&program, &["scheduled", &late]);
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(canceled["command"], "UpdateProductPrice");
    program
        .run(&["reschedule", &late, "--in", "1h"])
        .fails(1, "it was due or canceled before");
}

#[cfg(unix)]
#[test]
fn a_scheduled_command_is_sent_by_a_process_that_does_the_work() {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let id = schedule(&program, "700", ["--at", "2000-01-01T00:00:00Z"]);
    let served = Served::start(&program, &[]);
    let begun = Instant::now();
    while shown(&program, &["scheduled", &id])["state"] != "done" {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not sent");
    }
    assert_eq!(served.stop(), Some(0));
    let product = program.ask("GetProductById", r#"{"product_id": "P001"}"#);
    assert_eq!(product["price"], "700.00");
    assert_eq!(ids(&program), Vec::<String>::new());
    program
        .run(&["cancel", &id])
        .fails(1, "is not canceled: it was due before");
}

#[test]
fn what_cannot_be_scheduled_is_told() {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let unknown = "0199f0e0-0000-7000-8000-000000000000";
    let not_found = "no command was scheduled with the id";
    program.run(&["scheduled", unknown]).fails(1, not_found);
    program.run(&["cancel", unknown]).fails(2, not_found);
    program.run(&["cancel", "tomorrow"]).fails(2, "tomorrow");
    program
        .run(&["reschedule", unknown])
        .fails(2, "name a time: `--at` or `--in`");
    let both = ["--at", "2200-01-01T00:00:00Z", "--in", "1h"];
    program
        .run(&[&["reschedule", unknown], &both as &[_]].concat())
        .fails(2, "cannot be used with");
    let month = ["send", "UpdateProductPrice", "{}", "--in", "1mo"];
    program.run(&month).fails(2, "1mo");
    let invalid = ["send", "UpdateProductPrice", "{}", "--in", "1h"];
    program.run(&invalid).fails(2, "product_id");
    let reader = [&["--as", "reader"], &invalid as &[_]].concat();
    program.run(&reader).fails(1, "catalog:write");
    assert_eq!(shown(&program, &["scheduled"]), json!([]));
}
