//! The same on PostgreSQL.

use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::EventLog;
use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use crate::program::{Program, Run};
use crate::{demo, interrupted, send_and_ask};

/// Nobody listens there.
const NOBODY: &str = "postgres://clerk:secret@127.0.0.1:1/catalog";

/// A schema of the test's own, dropped with this.
struct Schema {
    url: &'static str,
    name: String,
    runtime: Runtime,
}

impl Schema {
    /// `None`, and a word about it, when there is no server.
    fn fresh(test: &str) -> Option<Self> {
        let url = Server::shared(test)?.url();
        let name = format!("test_{}", cqrs_core::Uuid::now_v7().simple());
        let runtime = Runtime::new().expect("a runtime");
        Some(Self { url, name, runtime })
    }

    /// The program on it.
    fn program(&self) -> Program {
        Program::on(&["--store", self.url, "--schema", &self.name])
    }

    fn exists(&self) -> bool {
        self.runtime.block_on(async {
            let client = connect(self.url).await.expect("the server is there");
            let select = "SELECT to_regnamespace($1) IS NOT NULL";
            let row = client.query_one(select, &[&self.name]).await;
            row.expect("an answer").get(0)
        })
    }
}

#[cfg(target_os = "linux")]
impl Schema {
    /// Checks that all read models of products have reached a position.
    fn assert_written(&self, position: i64) {
        let select = format!(
            "SELECT subscription, position FROM {}.checkpoints
             WHERE subscription ~ 'projection:(product-cards|price-history|statistics|sales-report):'",
            self.name
        );
        let rows = self.runtime.block_on(async {
            let client = connect(self.url).await.expect("the server is there");
            client.query(&select, &[]).await.expect("an answer")
        });
        assert_eq!(rows.len(), 4);
        for row in rows {
            let (subscription, at): (String, Option<i64>) = (row.get(0), row.get(1));
            assert_eq!(at, Some(position), "{subscription} is written");
        }
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        self.runtime.block_on(async {
            // A test that failed may have left anything behind; it has been reported.
            if let Ok(client) = connect(self.url).await {
                let _ = client.batch_execute(&drop).await;
            }
        });
    }
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

#[test]
fn the_demo_run_twice_works_twice() {
    let Some(schema) = Schema::fresh("the_demo_run_twice_works_twice") else {
        return;
    };
    let program = schema.program();
    demo::works_twice(&program);
    let first = format!(
        "The product catalog in PostgreSQL, schema `{}` (kept)\n",
        schema.name
    );
    let out = program.ok(&[]);
    assert!(out.starts_with(&first), "{out}");
    let history = program.ok(&["history", "product", "P001"]);
    assert_eq!(history.matches(" clerk ").count(), 3, "{history}");
}

#[test]
fn every_message_can_be_sent() {
    if let Some(schema) = Schema::fresh("every_message_can_be_sent") {
        send_and_ask::sends_and_asks(&schema.program());
    }
}

#[test]
fn what_was_sold_is_reported_from_tables() {
    let Some(schema) = Schema::fresh("what_was_sold_is_reported_from_tables") else {
        return;
    };
    let program = schema.program();
    let send = |command: &str, json: &str| program.ok(&["send", command, json]);
    for (product, price) in [("M1", "10.00"), ("M2", "4.50")] {
        let create = format!(
            r#"{{"product_id":"{product}","name":"Mug","description":"","price":"{price}"}}"#
        );
        send("CreateProduct", &create);
        let receive = format!(r#"{{"product_id":"{product}","units":100}}"#);
        send("ReceiveStock", &receive);
    }
    send("ReserveStock", r#"{"product_id":"M1","units":2}"#);
    send(
        "UpdateProductPrice",
        r#"{"product_id":"M1","new_price":"12.00"}"#,
    );
    send("ReserveStock", r#"{"product_id":"M1","units":1}"#);
    send("ReserveStock", r#"{"product_id":"M2","units":10}"#);
    send("RenameProduct", r#"{"product_id":"M2","new_name":"Cup"}"#);
    let ask = |json| {
        let answer = program.ok(&["ask", "GetSalesReport", json]);
        serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")
    };
    let line = |product, name, units: u32, takings, share| {
        serde_json::json!({
            "product_id": product, "name": name, "units": units, "takings": takings, "share": share
        })
    };
    // The units were sold at the price of then, and the product is called what it is called now.
    let cups = line("M2", "Cup", 10, "45.00", "58.4");
    let mugs = line("M1", "Mug", 3, "32.00", "41.6");
    assert_eq!(ask("{}"), serde_json::json!([cups, mugs]));
    assert_eq!(
        ask(r#"{"to":"2020-01-01T00:00:00Z"}"#),
        serde_json::json!([])
    );
}

#[test]
fn an_id_makes_a_command_safe_to_repeat() {
    if let Some(schema) = Schema::fresh("an_id_makes_a_command_safe_to_repeat") {
        send_and_ask::repeats_safely(&schema.program());
    }
}

#[test]
fn an_import_that_was_killed_is_completed_without_duplicates() {
    let test = "an_import_that_was_killed_is_completed_without_duplicates";
    let Some(schema) = Schema::fresh(test) else {
        return;
    };
    let program = schema.program();
    program.write("lines", &interrupted::lines());
    schema.runtime.block_on(async {
        let options = Postgres::options().schema(&schema.name);
        let store = options.connect(schema.url).await.expect("a store");
        for position in [400, 800, 1600] {
            let import = interrupted::start(&program);
            let reached = store.heads().reached(Position::new(position));
            let reached = timeout(Duration::from_secs(60), reached).await;
            reached.expect("it gets somewhere");
            assert!(
                interrupted::kill(import),
                "the import was done before it could be killed"
            );
        }
    });
    interrupted::completes(&program);
}

#[test]
fn asking_makes_no_schema() {
    let Some(schema) = Schema::fresh("asking_makes_no_schema") else {
        return;
    };
    let program = schema.program();
    for arguments in [
        &["ask", "GetAllProducts"] as &[&str],
        &["history", "product", "P001"],
    ] {
        let expected = format!(
            "in the schema `{}`: `send`, `import` and `serve` create one",
            schema.name
        );
        program.run(arguments).fails(3, &expected);
    }
    assert!(!schema.exists());
}

#[test]
fn a_server_that_is_not_there_is_a_failure() {
    for arguments in [&[] as &[&str], &["ask", "GetAllProducts"]] {
        let run = Program::on(&["--store", NOBODY]).run(arguments);
        run.fails(
            3,
            "error: cannot connect to PostgreSQL: make sure that it is running and that the URL is right",
        );
        assert!(!run.out.contains("secret") && !run.err.contains("secret"));
    }
}

#[test]
fn arguments_that_name_no_database_are_refused() {
    let run = |arguments: &[&str]| Program::on(arguments).run(&["ask", "GetAllProducts"]);
    run(&["--store", "postgresql://127.0.0.1:port/catalog"])
        .fails(2, "write `postgres://user:***@host:5432/database`");
    run(&["--store", NOBODY, "--schema", "My Schema"])
        .fails(2, "a schema cannot be named `My Schema`: use lower-case");
    for file in [
        &["--schema", "shop"] as &[&str],
        &["--store", "f.db", "--schema", "shop"],
    ] {
        run(file).fails(2, "`--schema shop` needs a PostgreSQL database");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_in_progress_at_sigterm_finishes_and_is_reported() {
    let test = "a_command_in_progress_at_sigterm_finishes_and_is_reported";
    let Some(schema) = Schema::fresh(test) else {
        return;
    };
    let program = schema.program();
    program.ok(&["send", "CreateProduct", CREATE]);
    let reprice = r#"{"product_id": "P1", "new_price": "8"}"#;
    let run = terminate_while_appending(&schema, &["send", "UpdateProductPrice", reprice]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("done: 1 event at position 2"), "{run:?}");
    schema.assert_written(2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_demo_ended_by_sigterm_sends_no_other_command() {
    let Some(schema) = Schema::fresh("a_demo_ended_by_sigterm_sends_no_other_command") else {
        return;
    };
    schema.program().ok(&["send", "CreateProduct", CREATE]);
    let run = terminate_while_appending(&schema, &[]);
    run.fails(
        143,
        "interrupted: the dispatcher is shut down: nothing was done",
    );
    assert_eq!(run.out.matches("done: 1 event").count(), 1, "{run:?}");
    schema.assert_written(2);
}

#[cfg(target_os = "linux")]
const CREATE: &str = r#"{"product_id": "P1", "name": "N", "description": "", "price": "7"}"#;

/// Sends SIGTERM to the program while its first append waits for a lock.
#[cfg(target_os = "linux")]
fn terminate_while_appending(schema: &Schema, arguments: &[&str]) -> Run {
    let lock = format!("BEGIN; LOCK TABLE {}.events IN SHARE MODE", schema.name);
    let client = schema.runtime.block_on(async {
        let client = connect(schema.url).await.expect("the server is there");
        client.batch_execute(&lock).await.expect("a lock");
        client
    });
    let child = interrupted::spawn(&schema.program(), arguments);
    interrupted::wait_until(|| interrupted::catches_sigterm(&child));
    interrupted::send_signal("TERM", &child);
    let unlock = client.batch_execute("ROLLBACK");
    schema.runtime.block_on(unlock).expect("no lock");
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn status_shows_the_server() {
    let Some(schema) = Schema::fresh("status_shows_the_server") else {
        return;
    };
    let program = schema.program();
    let product = r#"{"product_id": "P1", "name": "N", "description": "", "price": "7"}"#;
    program.ok(&["send", "CreateProduct", product]);
    let table = program.ok(&["status"]);
    let (_, address) = schema.url.rsplit_once('@').expect("a host");
    let (host, _) = address.split_once('/').expect("a database");
    let line = table.lines().find(|line| line.contains(host));
    let line = line.unwrap_or_else(|| panic!("`{host}` is missing:\n{table}"));
    let words: Vec<_> = line.split_whitespace().collect();
    let [_, "log", "leader", timeline, "1", "-"] = words[..] else {
        panic!("{line}");
    };
    assert!(timeline.parse::<u32>().is_ok(), "{line}");
}
