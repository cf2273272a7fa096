//! The same with the log on UmaDB and read models in a file.

use test_umadb::Server;

use crate::program::Program;
use crate::{demo, send_and_ask};

/// Nobody listens there.
const NOBODY: &str = "umadb://127.0.0.1:1";

fn program(server: &Server) -> Program {
    Program::on(&["--store", &server.url()])
}

#[test]
fn on_umadb_the_demo_works_twice() {
    if let Some(server) = Server::start("on_umadb_the_demo_works_twice") {
        demo::works_twice(&program(&server));
    }
}

#[test]
fn on_umadb_every_command_can_be_sent_and_every_query_asked() {
    if let Some(server) = Server::start("on_umadb_every_command_can_be_sent") {
        send_and_ask::sends_and_asks(&program(&server));
    }
}

#[test]
fn on_umadb_an_id_makes_a_command_safe_to_repeat() {
    if let Some(server) = Server::start("on_umadb_an_id_makes_a_command_safe_to_repeat") {
        send_and_ask::repeats_safely(&program(&server));
    }
}

#[test]
fn on_umadb_read_models_that_are_deleted_are_built_again() {
    let Some(server) = Server::start("on_umadb_read_models_are_built_again") else {
        return;
    };
    let program = program(&server);
    program.ok(&[]);
    let views = program.path("catalog-views.db");
    assert!(views.exists());
    let product = ["ask", "GetProductById", r#"{"product_id": "P001"}"#];
    let before = program.ok(&product);
    for file in [
        "catalog-views.db",
        "catalog-views.db-wal",
        "catalog-views.db-shm",
    ] {
        // A database that was closed has no other files.
        let _ = std::fs::remove_file(program.path(file));
    }
    assert_eq!(program.ok(&product), before);
}

#[test]
fn without_a_server_the_address_is_named() {
    let program = Program::on(&["--store", NOBODY]);
    program
        .run(&["history", "product", "P001"])
        .fails(3, "check that the server runs");
    Program::on(&["--store", "umadb://127.0.0.1:none"])
        .run(&["history", "product", "P001"])
        .fails(2, "write `umadb://host:50051`");
}

#[test]
fn read_models_of_their_own_are_for_umadb() {
    Program::new()
        .run(&["--views", "views.db", "history", "product", "P001"])
        .fails(2, "name it with `--store umadb://..`");
}
