use std::fs;

use crate::program::{Program, workspace};

const MESSAGES: [&str; 14] = [
    "CreateProduct",
    "DiscontinueProduct",
    "PlaceOrder",
    "ReceiveStock",
    "RenameProduct",
    "ReserveStock",
    "UpdateProductPrice",
    "FindProducts",
    "GetAllProducts",
    "GetCatalogStatistics",
    "GetOrder",
    "GetOrders",
    "GetPriceHistory",
    "GetProductById",
];

#[test]
fn every_message_is_explained() {
    let program = Program::new();
    let out = program.ok(&["explain"]);
    assert!(
        !program.path("catalog.db").exists(),
        "explaining makes no database"
    );
    let named = |line: &&str| {
        MESSAGES
            .iter()
            .any(|name| line.starts_with(&format!("{name}  needs ")))
    };
    let found: Vec<_> = out.lines().filter(named).collect();
    assert_eq!(found.len(), MESSAGES.len(), "{out}");
    assert!(out.contains("ReserveStock  needs catalog:write\n"), "{out}");
    assert!(out.contains("\n  decides on      product\n"), "{out}");
    assert!(out.contains("\n  reads           price_point\n"), "{out}");
    let listener = out.lines().find(|line| line.contains("announce_low_stock"));
    assert!(
        listener.is_some_and(|line| line.starts_with("  event handler ")),
        "{out}"
    );
}

#[test]
fn places_are_where_the_code_is() {
    let out = Program::new().ok(&["explain"]);
    let mut places = 0;
    for line in out.lines().filter(|line| line.contains(".rs:")) {
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, place) = (words[words.len() - 2], words[words.len() - 1]);
        let (file, number) = place.split_once(':').expect("file and line");
        let source = fs::read_to_string(workspace().join(file)).expect("the file");
        let number: usize = number.parse().expect("a number");
        let there = source.lines().nth(number - 1).expect("the line");
        let function = name.rsplit("::").next().expect("a name");
        let expected = match name {
            "product" => "impl Product {".to_owned(),
            "order" => "impl Order {".to_owned(),
            _ => format!("fn {function}("),
        };
        assert!(
            there.contains(&expected),
            "{place} is `{there}`, not `{expected}`"
        );
        places += 1;
    }
    assert!(places > 25, "{places}");
}

#[test]
fn one_message_is_explained_with_its_schema() {
    let program = Program::new();
    let out = program.ok(&["explain", "ReceiveStock"]);
    assert!(
        out.contains("\"description\": \"Number of units.\""),
        "{out}"
    );
    assert!(!out.contains("CreateProduct"), "{out}");
    program
        .run(&["explain", "Nothing"])
        .fails(2, "there is no message or event `Nothing`");
}
