//! Verbs that need no store, and those that go on until they are told to stop.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use expect_test::expect_file;
use serde_json::{Value, json};

use crate::interrupted::{send_signal, spawn};
use crate::program::Program;

const LAPTOP: &str =
    r#"{"product_id": "P001", "name": "Laptop", "description": "fast", "price": 1200.5}"#;

/// `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_help_lists_the_verbs() {
    let help = Program::new().ok(&["--help"]);
    expect_file!["help.txt"].assert_eq(&help);
}

#[test]
fn the_wiring_is_checked_without_a_store() {
    let program = Program::new();
    let out = program.ok(&["verify"]);
    assert!(out.starts_with("ok: 14 commands, "), "{out}");
    assert!(out.contains(" 2 aggregates, "), "{out}");
    let on_postgres = program.ok(&[
        "--store",
        "postgres://nobody:secret@127.0.0.1:1/x",
        "verify",
    ]);
    assert_ne!(out, on_postgres, "the sales report is missing");
    let entries = std::fs::read_dir(program.path("")).expect("its directory");
    assert_eq!(entries.count(), 0);
}

#[test]
fn completions_know_verbs_messages_and_fields() {
    let program = Program::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program.ok(&["completions", shell]);
        for word in ["rebuild", "CreateProduct", "product-id"] {
            assert!(script.contains(word), "{word} is missing for {shell}");
        }
    }
    program.run(&["completions", "cmd"]).fails(2, "bash");
}

#[cfg(target_os = "linux")]
#[test]
fn bash_reads_the_completions() {
    let program = Program::new();
    program.write("script", &program.ok(&["completions", "bash"]));
    let mut bash = std::process::Command::new("bash");
    let complete = "source ./script
COMP_WORDS=(catalog send Upd); COMP_CWORD=2; _catalog catalog Upd send; echo ${COMPREPLY[*]}";
    let bash = bash.args(["-c", complete]).current_dir(program.path(""));
    let output = bash.output().expect("bash is there");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.trim(), "UpdateProductPrice", "{output:?}");
}

#[test]
fn a_store_in_memory_or_with_its_scheme_is_no_file_name() {
    let program = Program::new();
    program.ok(&["--store", "memory", "send", "CreateProduct", LAPTOP]);
    let entries = std::fs::read_dir(program.path("")).expect("its directory");
    assert_eq!(entries.count(), 0);
    program.ok(&["--store", "sqlite:mine.db", "send", "CreateProduct", LAPTOP]);
    assert!(program.path("mine.db").exists());
}

#[cfg(unix)]
#[test]
fn a_history_is_followed_and_a_query_is_watched_until_the_program_is_told_to_stop() {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let mut following = spawn(&program, &["--json", "history", "--follow"]);
    let watch = ["ask", "GetProductById", "--product-id", "P001", "--watch"];
    let mut watching = spawn(&program, &watch);
    let mut events = BufReader::new(following.stdout.take().expect("a pipe"));
    let mut answers = BufReader::new(watching.stdout.take().expect("a pipe"));
    assert_eq!(line(&mut events)["type"], "product-created");
    let first = line(&mut answers);
    assert_eq!(first["answer"]["name"], "Laptop");
    let rename = ["--product-id", "P001", "--new-name", "Tablet"];
    program.ok(&[&["send", "RenameProduct"], &rename as &[_]].concat());
    let renamed = line(&mut events);
    assert_eq!(renamed["type"], "product-renamed");
    let second = line(&mut answers);
    assert_eq!(second["answer"]["name"], "Tablet");
    assert!(second["position"].as_u64() > first["position"].as_u64());
    for child in [following, watching] {
        send_signal("INT", &child);
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[cfg(unix)]
fn line(out: &mut impl BufRead) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_stale_answer_waits_for_nothing() {
    let program = Program::new();
    program.ok(&["send", "CreateProduct", LAPTOP]);
    let answer = program.ok(&["ask", "GetCatalogStatistics", "--stale"]);
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["products_on_sale"], json!(1));
    program
        .run(&["ask", "GetCatalogStatistics", "--stale", "--after", "1"])
        .fails(2, "cannot be used with");
    let late = ["ask", "GetCatalogStatistics", "--after", "99"];
    let run = program.run(&[&late as &[_], &["--max-wait", "0"]].concat());
    assert_eq!(run.code, Some(3), "{run:?}");
    let mut command = program.command(["ask", "GetOrders", "--roles", "commands"]);
    let run = command.stdout(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(3), "{text}");
}
