use std::fs;

use expect_test::expect_file;

use crate::program::{Program, workspace};

/// `UPDATE_EXPECT=1` draws it anew.
#[test]
fn the_readme_has_the_picture_that_the_program_draws() {
    let program = Program::new();
    let picture = program.ok(&["map", "--format", "svg"]);
    expect_file!["../../../docs/catalog-map.svg"].assert_eq(&picture);
    assert!(
        !program.path("catalog.db").exists(),
        "a map needs no database"
    );
    let readme = fs::read_to_string(workspace().join("README.md")).expect("is there");
    assert!(readme.contains("](docs/catalog-map.svg)"));
}

#[test]
fn a_map_has_every_message_in_each_format() {
    let program = Program::new();
    let page = program.ok(&["map"]);
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    let mermaid = program.ok(&["map", "--format", "mermaid"]);
    let dot = program.ok(&["map", "--format", "dot"]);
    assert!(
        mermaid.starts_with("flowchart LR\n") && dot.starts_with("digraph \"Product catalog\" {\n")
    );
    for name in [
        "CreateProduct",
        "product-created",
        "product_card",
        "GetProductById",
        "checkout",
        "collect",
    ] {
        let quoted = format!("\"{name}\"");
        assert!(mermaid.contains(&quoted) && dot.contains(&quoted), "{name}");
        assert!(page.contains(&format!("<h3>{name}</h3>")), "{name}");
    }
    program.run(&["map", "--format", "jpeg"]).fails(2, "jpeg");
}

#[test]
fn the_map_shows_what_the_log_has() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let svg = program.ok(&["map", "--observed", "--format", "svg"]);
    for told in [
        "order → order-placed (emits, observed 4 times)",
        "order-placed → checkout (handles, observed 3 times)",
        "ReserveLine → product (loads, observed 3 times)",
        "checkout → ReserveLine (sends, observed 3 times)",
        "collect → ReceivePayment (sends, observed once)",
        "ReserveLine → checkout (compensates, observed ",
        "product → product-renamed (emits, not observed)",
    ] {
        assert!(svg.contains(told), "{told}: {svg}");
    }
    let page = program.ok(&["map", "--observed"]);
    assert!(page.contains("Observed: ") && !page.contains("Observed, but not declared"));
    Program::new()
        .run(&["map", "--observed"])
        .fails(3, "there is no store");
}
