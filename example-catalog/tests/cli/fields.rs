//! Fields as options, which the command line knows from the messages.

use serde_json::{Value, json};

use crate::program::Program;

const LAPTOP: [&str; 10] = [
    "send",
    "CreateProduct",
    "--product-id",
    "P001",
    "--name",
    "Laptop",
    "--description",
    "-fast-",
    "--price",
    "1200.50",
];

#[test]
fn fields_are_options_with_values_of_their_types() {
    let program = Program::new();
    program.ok(&LAPTOP);
    let ask = |arguments: &[&str]| -> Value {
        let answer = program.ok(&[&["ask"], arguments].concat());
        serde_json::from_str(&answer).expect("JSON")
    };
    let card = ask(&["GetProductById", "--product-id", "P001"]);
    assert_eq!(card["description"], "-fast-");
    assert_eq!(card["price"], "1200.50");
    let all = ask(&[
        "GetAllProducts",
        "--sort",
        "price",
        "--descending",
        "--page-size",
        "5",
    ]);
    assert_eq!(all, json!({"items": [card], "total": 1}));
    let number = ["send", "CreateProduct", "--product-id", "7", "--name", "8"];
    program.ok(&[&number as &[_], &["--description", "true", "--price", "9"]].concat());
    assert_eq!(ask(&["GetProductById", "--product-id=7"])["name"], "8");
    let lines = ["--lines", r#"{"product_id": "P001", "units": 1}"#];
    let more = ["--lines", r#"{"product_id": "7", "units": 2}"#];
    let place = ["send", "PlaceOrder", "--order-id", "1"];
    program.ok(&[&place as &[_], &lines, &more].concat());
    let order = ask(&["GetOrder", "--order-id", "1"]);
    assert_eq!(order["lines"][1], json!({"product_id": "7", "units": 2}));
}

#[test]
fn options_take_the_place_of_fields_in_the_json() {
    let program = Program::new();
    program.ok(&LAPTOP);
    let json = r#"{"product_id": "P001", "new_price": "5"}"#;
    let price = ["--new-price", "6.00"];
    program.ok(&[&["send", "UpdateProductPrice", json], &price as &[_]].concat());
    let card = program.ask("GetProductById", r#"{"product_id": "P001"}"#);
    assert_eq!(card["price"], "6.00");
    let no_object = [&["send", "UpdateProductPrice", "[]"], &price as &[_]].concat();
    program
        .run(&no_object)
        .fails(2, "the JSON is no object with fields");
}

#[test]
fn wrong_fields_are_refused_as_in_json() {
    let program = Program::new();
    program.ok(&LAPTOP);
    let price = ["send", "UpdateProductPrice", "--product-id", "P001"];
    let run = |more: &[&str]| program.run(&[&price, more].concat());
    run(&["--new-price", "-5"]).fails(1, "-5 is no price for product P001");
    run(&["--new-price", "cheap"]).fails(2, "`new_price`: invalid value");
    run(&[]).fails(2, "missing field `new_price`");
    run(&["--price", "5"]).fails(2, "unexpected argument '--price'");
}

#[test]
fn each_message_has_help_of_its_own() {
    let program = Program::new();
    let help = program.ok(&["send", "CreateProduct", "--help"]);
    assert!(help.contains("--product-id <TEXT>"), "{help}");
    let commands = program.ok(&["send", "--help"]);
    assert!(commands.contains("UpdateProductPrice"), "{commands}");
    assert!(!program.path("catalog.db").exists());
}
