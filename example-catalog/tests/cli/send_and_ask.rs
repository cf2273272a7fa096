use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Program, Run};

const LAPTOP: &str =
    r#"{"product_id": "P001", "name": "Laptop", "description": "fast", "price": 1200.5}"#;
const ID: &str = "018f0000-0000-7000-8000-000000000001";

fn with_laptop() -> Program {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    program
}

/// Runs with this on the standard input.
fn fed(mut command: Command, input: &str) -> Run {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("its standard input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends").into()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_for_the_answer_does_not_hide_that_the_command_was_done() {
    let program = Program::new();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = program.command(["send", "--id", ID, "CreateProduct", LAPTOP]);
    let command = command.stdout(full.expect("a full device"));
    let run = Run::from(command.stderr(Stdio::piped()).output().expect("it runs"));
    run.fails(3, "done: 1 event at position 1, command ");
    run.fails(3, ID);
    run.fails(3, "cannot be written to the standard output");
    let out = program.ok(&["send", "--id", ID, "CreateProduct", LAPTOP]);
    assert!(out.starts_with("processed before"), "{out}");
}

#[test]
fn control_characters_of_an_actor_are_escaped_in_answers() {
    let program = Program::new();
    let actor = "cl\u{9b}2Jerk\u{7f}";
    program.ok(&["--actor", actor, "send", "CreateProduct", LAPTOP]);
    let out = program.ok(&["ask", "GetPriceHistory", r#"{"product_id": "P001"}"#]);
    let acts = |it: char| it.is_control() && it != '\n';
    assert!(!out.contains(acts), "{out:?}");
    let prices: Value = serde_json::from_str(&out).expect("JSON");
    assert!(prices.to_string().contains(actor), "{prices}");
    let history = program.ok(&["history", "product", "P001"]);
    assert!(!history.contains(acts), "{history:?}");
}

#[test]
fn every_command_can_be_sent_and_every_query_asked() {
    sends_and_asks(&Program::new());
}

/// Each message once, on a new database.
pub fn sends_and_asks(program: &Program) {
    program.ok(&["send", "CreateProduct", LAPTOP]);
    for (command, json) in [
        (
            "UpdateProductPrice",
            r#"{"product_id": "P001", "new_price": "1150.00"}"#,
        ),
        (
            "RenameProduct",
            r#"{"product_id": "P001", "new_name": "Laptop Pro"}"#,
        ),
        ("ReceiveStock", r#"{"product_id": "P001", "units": 7}"#),
        ("ReserveStock", r#"{"product_id": "P001", "units": 2}"#),
        ("DiscontinueProduct", r#"{"product_id": "P001"}"#),
    ] {
        let out = program.ok(&["send", command, json]);
        assert!(out.starts_with("done: 1 event at position "), "{out}");
    }
    let card = program.ask("GetProductById", r#"{"product_id": "P001"}"#);
    assert_eq!(card["name"], "Laptop Pro");
    assert_eq!(card["price"], "1150.00");
    assert_eq!(card["stock"], 5);
    assert_eq!(card["status"], "discontinued");
    let all = program.ask("GetAllProducts", r#"{"sort": "price", "descending": true}"#);
    assert_eq!(all, json!({"items": [card], "total": 1}));
    assert_eq!(
        program.ask("FindProducts", r#"{"text": "FAST", "max_price": 2000}"#),
        all
    );
    let history = program.ask("GetPriceHistory", r#"{"product_id": "P001"}"#);
    assert_eq!(history[0]["price"], "1200.50");
    assert_eq!(history[0]["until"], history[1]["from"]);
    assert_eq!(history[1]["until"], Value::Null);
    let expected = json!({
        "products_on_sale": 0, "products_discontinued": 1, "average_price": null,
        "price_changes": 1, "units_received": 7, "units_reserved": 2, "units_in_stock": 5,
    });
    assert_eq!(program.ask("GetCatalogStatistics", "{}"), expected);
}

#[test]
fn what_was_misspelled_is_suggested() {
    let program = with_laptop();
    let run = program.run(&["send", "CreateProdct", "{}"]);
    run.fails(
        2,
        "there is no command `CreateProdct`: did you mean `CreateProduct`?",
    );
    let run = program.run(&["ask", "GetCatalogueStatistics"]);
    run.fails(
        2,
        "there is no query `GetCatalogueStatistics`: did you mean `GetCatalogStatistics`?",
    );
}

#[test]
fn wrong_json_names_the_field() {
    let program = with_laptop();
    let send = |json: &str| program.run(&["send", "UpdateProductPrice", json]);
    send(r#"{"product_id": "P001", "new_price": "cheap"}"#).fails(2, "`new_price`: invalid value");
    send(r#"{"product_id": "P001"}"#).fails(2, "missing field `new_price`");
    send(r#"{"product_id": "P 1", "new_price": 1}"#)
        .fails(2, "`product_id`: `P 1` is no product id");
    send(r#"{"product_id": "P001", "price": 1}"#).fails(2, "unknown field `price`");
    send(r#"{"product_id": "P001""#).fails(2, "EOF while parsing");
    let ask = |json: &str| program.run(&["ask", "GetAllProducts", json]);
    ask(r#"{"sort": "color"}"#).fails(2, "`sort`: unknown variant `color`, expected one of `id`");
    ask(r#"{"page_size": 0}"#).fails(2, "`page_size`: 0 on a page, 1 to 100 fit");
    ask(r#"{"page_size": 101}"#).fails(2, "`page_size`: 101 on a page, 1 to 100 fit");
    ask(r#"{"page": 0}"#).fails(2, "`page`: pages are counted from 1");
    let ask = |json: &str| program.run(&["ask", "FindProducts", json]);
    ask(r#"{"min_price": 5, "max_price": 4}"#).fails(2, "`max_price`: 4 is below the lowest price");
}

#[test]
fn the_catalog_says_no() {
    let program = with_laptop();
    program
        .run(&["send", "CreateProduct", LAPTOP])
        .fails(1, "product P001 already exists");
    let json = r#"{"product_id": "P001", "new_price": -5}"#;
    program
        .run(&["send", "UpdateProductPrice", json])
        .fails(1, "-5 is no price for product P001");
    let json = r#"{"product_id": "P001", "units": 1}"#;
    let run = program.run(&["send", "ReserveStock", json]);
    run.fails(
        1,
        "not enough of product P001 in stock: 1 wanted, 0 available",
    );
    let reader = [
        "--as",
        "reader",
        "--actor",
        "bob",
        "send",
        "ReceiveStock",
        json,
    ];
    program
        .run(&reader)
        .fails(1, "bob may not send `ReceiveStock`");
    let run = program.run(&["ask", "GetProductById", r#"{"product_id": "P999"}"#]);
    assert_eq!(
        (run.code, run.out.as_str(), run.err.as_str()),
        (Some(1), "null\n", "")
    );
    assert_eq!(
        program.ask("GetPriceHistory", r#"{"product_id": "P999"}"#),
        json!([])
    );
}

#[test]
fn an_id_makes_a_command_safe_to_repeat() {
    repeats_safely(&Program::new());
}

/// A command with an id, on a new database.
pub fn repeats_safely(program: &Program) {
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let send = |units: u32| {
        let json = format!(r#"{{"product_id": "P001", "units": {units}}}"#);
        program.run(&["send", "ReceiveStock", &json, "--id", ID])
    };
    assert_eq!(
        send(7).out,
        format!("done: 1 event at position 2, command {ID}\n")
    );
    assert_eq!(
        send(7).out,
        format!("processed before: 1 event at position 2, command {ID}\n")
    );
    send(8).fails(2, "was used before for another command");
    assert_eq!(
        program.ask("GetCatalogStatistics", "{}")["units_received"],
        7
    );
    program
        .run(&["send", "ReceiveStock", "{}", "--id", "7"])
        .fails(2, "--id");
}

#[test]
fn what_changes_nothing_is_done() {
    let json = r#"{"product_id": "P001", "new_name": "Laptop"}"#;
    let out = with_laptop().ok(&["send", "RenameProduct", json]);
    assert!(out.starts_with("done: nothing to change"), "{out}");
}

#[test]
fn json_may_come_from_the_standard_input() {
    let program = Program::new();
    let run = fed(program.command(["send", "CreateProduct", "-"]), LAPTOP);
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = fed(
        program.command(["ask", "GetProductById", "-"]),
        r#"{"product_id": "P001"}"#,
    );
    assert!(run.out.contains("\"name\": \"Laptop\""), "{run:?}");
    let endless = " ".repeat((1 << 20) + 1);
    fed(program.command(["send", "CreateProduct", "-"]), &endless).fails(2, "at most 1048576");
}

#[test]
fn a_product_that_runs_low_is_announced_once() {
    let program = with_laptop();
    let json = |units: u32| format!(r#"{{"product_id": "P001", "units": {units}}}"#);
    program.ok(&["send", "ReceiveStock", &json(6)]);
    let run = program.run(&["send", "ReserveStock", &json(2)]);
    assert_eq!(run.err, "notice: product P001 runs low, 4 left\n");
    assert!(
        run.out.starts_with("done: 2 events at positions 3 to 4"),
        "{run:?}"
    );
    let run = program.run(&["send", "ReserveStock", &json(1)]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
}

#[test]
fn usage_and_failures_have_codes_of_their_own() {
    let program = Program::new();
    program.run(&["frob"]).fails(2, "unrecognized subcommand");
    program.run(&["send"]).fails(2, "requires a subcommand");
    program
        .run(&["ask", "GetAllProducts"])
        .fails(3, "there is no store `catalog.db`");
    assert!(
        !program.path("catalog.db").exists(),
        "asking makes no database"
    );
    program.write(
        "text",
        "not a database, but long enough to be none, whatever it may be",
    );
    program
        .run(&["--store", "text", "send", "CreateProduct", LAPTOP])
        .fails(3, "/text` is not an SQLite database");
    program
        .run(&["--store", "no/db", "send", "CreateProduct", LAPTOP])
        .fails(3, "no/db");
    let help = program.ok(&["--help"]);
    assert!(
        help.contains("Exit codes:\n  0  done\n  1  refused"),
        "{help}"
    );
}
