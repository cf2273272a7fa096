//! Results and errors as JSON, for scripts.

use serde_json::{Value, json};

use crate::program::Program;

const LAPTOP: &str =
    r#"{"product_id": "P001", "name": "Laptop", "description": "fast", "price": 1200.5}"#;
const ID: &str = "018f0000-0000-7000-8000-000000000001";

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_command_answers_with_its_receipt_and_an_error_with_its_code() {
    let program = Program::new();
    let send = ["--json", "send", "CreateProduct", LAPTOP, "--id", ID];
    let receipt = read(&program.ok(&send));
    assert_eq!(receipt["command"], ID);
    assert_eq!(
        (&receipt["first"], &receipt["events"]),
        (&json!(1), &json!(1))
    );
    assert!(receipt["bookmark"].is_string(), "{receipt}");
    assert_eq!(read(&program.ok(&send))["replayed"], true);
    let rejected = program.run(&["--json", "send", "CreateProduct", LAPTOP]);
    assert_eq!(rejected.code, Some(1));
    let expected = json!({"error": "product P001 already exists", "code": 1});
    assert_eq!(read(&rejected.err), expected);
}

#[test]
fn verbs_that_show_something_show_it_as_json() {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let show = |arguments: &[&str]| read(&program.ok(&[&["--json"], arguments].concat()));
    let status = show(&["status"]);
    let subscriptions = status["subscriptions"].as_array().expect("a list");
    let cards = subscriptions
        .iter()
        .find(|it| it["name"] == "product-cards");
    assert_eq!(cards.expect("is listed")["behind"], 0);
    assert_eq!(status["servers"], Value::Null);
    let model = show(&["explain"]);
    assert!(model["nodes"].as_array().is_some_and(|it| it.len() > 30));
    let one = show(&["explain", "ReceiveStock"]);
    assert_eq!(one["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["edges"][0]["verb"], "handles");
    assert_eq!(show(&["map"]), model);
    assert_eq!(show(&["verify"])["ok"], true);
    let rebuilt = program.ok(&["--json", "rebuild", "product-cards"]);
    let last = rebuilt.lines().last().expect("a line");
    let expected = json!({"projection": "product-cards", "live": 2});
    assert_eq!(read(last), expected);
}

#[test]
fn an_import_reports_each_line_as_json() {
    let program = Program::new();
    let line = format!(r#"{{"command": "CreateProduct", "data": {LAPTOP}}}"#);
    program.write("lines", &format!("{line}\n{line}\nnothing\n"));
    let run = program.run(&["--json", "import", "lines"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let summary = read(&run.out);
    let counts = ["lines", "done", "known", "rejected", "bad"].map(|it| summary[it].as_u64());
    assert_eq!(counts, [3, 1, 0, 1, 1].map(Some), "{summary}");
    let lines: Vec<_> = run.err.lines().map(read).collect();
    assert_eq!(lines[0]["line"], 2);
    let reason = "rejected: product P001 already exists";
    assert_eq!(lines[0]["error"], reason);
    assert_eq!(lines[1]["line"], 3);
}
