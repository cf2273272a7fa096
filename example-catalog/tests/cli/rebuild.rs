use std::process::{Child, Stdio};

use cqrs_sqlite::rusqlite::Connection;

use crate::interrupted;
use crate::program::Program;

/// The program's version is taken back to where another version is live, and it has none of its views.
const AS_NEW: &str = "
    UPDATE projection_versions SET version = 0 WHERE projection = 'product-cards';
    UPDATE checkpoints SET position = NULL, last_event = NULL, last_event_position = NULL
    WHERE subscription = 'projection:product-cards:2';
    DELETE FROM view_product_cards_2_product_card;
";

/// Has the database refuse a page of events with which there would be more cards: the rebuild tries it again, and cannot
/// be done before it is killed.
fn no_more_than(cards: u32) -> String {
    format!(
        "{UNLIMITED}
        CREATE TRIGGER most_cards BEFORE INSERT ON view_product_cards_2_product_card
        WHEN (SELECT count(*) FROM view_product_cards_2_product_card) >= {cards}
        BEGIN SELECT RAISE(ABORT, 'there are enough'); END;"
    )
}

const UNLIMITED: &str = "DROP TRIGGER IF EXISTS most_cards;";

/// Number of cards, as SQL sees them.
fn cards(program: &Program) -> u32 {
    let database = Connection::open(program.path("catalog.db")).expect("SQLite opens");
    let count = "SELECT count(*) FROM view_product_cards_2_product_card";
    database
        .query_row(count, [], |row| row.get(0))
        .expect("a number")
}

fn start(program: &Program) -> Child {
    let mut command = program.command(["rebuild", "product-cards"]);
    let rebuild = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    rebuild.expect("the program runs")
}

#[test]
fn a_rebuild_that_was_killed_is_completed() {
    let program = Program::new();
    program.write("lines", &interrupted::lines());
    program.ok(&["import", "lines"]);
    let all = program.ask("GetAllProducts", r#"{"page_size": 100}"#);
    let complete = cards(&program);
    let database = Connection::open(program.path("catalog.db")).expect("SQLite opens");
    database.execute_batch(AS_NEW).expect("it is taken back");
    for most in [complete * 2 / 3, complete * 9 / 10] {
        database
            .execute_batch(&no_more_than(most))
            .expect("it is limited");
        let before = cards(&program);
        let rebuild = start(&program);
        interrupted::wait_until(|| cards(&program) > before);
        assert!(interrupted::kill(rebuild), "it has ended");
        assert!(cards(&program) <= most);
    }
    database
        .execute_batch(UNLIMITED)
        .expect("it is not limited");
    let out = program.ok(&["rebuild", "product-cards"]);
    assert!(
        out.ends_with("version 2 of projection `product-cards` is live\n"),
        "{out}"
    );
    assert_eq!(cards(&program), complete);
    let again = program.ask("GetAllProducts", r#"{"page_size": 100}"#);
    assert_eq!(again, all);
}

#[test]
fn a_table_that_was_damaged_is_built_again() {
    let program = Program::new();
    program.write("lines", &interrupted::lines());
    program.ok(&["import", "lines"]);
    let all = program.ask("GetAllProducts", r#"{"page_size": 100}"#);
    let complete = cards(&program);
    let database = Connection::open(program.path("catalog.db")).expect("SQLite opens");
    let delete = "DELETE FROM view_product_cards_2_product_card WHERE key > '5'";
    database.execute(delete, []).expect("it is damaged");
    assert!(cards(&program) < complete);
    let out = program.ok(&["rebuild", "product-cards"]);
    assert!(
        out.ends_with("version 2 of projection `product-cards` is live\n"),
        "{out}"
    );
    assert_eq!(cards(&program), complete);
    let again = program.ask("GetAllProducts", r#"{"page_size": 100}"#);
    assert_eq!(again, all);
}

#[test]
fn a_rebuild_is_of_a_projection() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let run = program.run(&["rebuild", "products"]);
    run.fails(2, "there is no projection or reaction `products`, only: ");
    program
        .run(&["--store", "other.db", "rebuild", "product-cards"])
        .fails(3, "no store `other.db`");
}
