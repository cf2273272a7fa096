use std::fs;
use std::path::Path;
use std::process::Command;

use cqrs_core::app::model;
use cqrs_openapi::{Document, asyncapi};
use serde_json::json;
use tempfile::TempDir;

use crate::{options, program};

fn document() -> Document {
    let options = options().event_feed().server("https://library.example/api");
    asyncapi(&model(), &options)
}

#[test]
fn the_parser_of_asyncapi_accepts_the_document() {
    let test = "the AsyncAPI document";
    let name = "@asyncapi/parser";
    let Some(parser) = test_tools::tool("npm/node_modules/@asyncapi/parser", name, test) else {
        return;
    };
    for document in [document(), asyncapi(&model(), &options())] {
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("document.json");
        fs::write(&file, document.to_string()).expect("is written");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/parse.cjs");
        let output = Command::new("node")
            .arg(script)
            .arg(&parser)
            .arg(&file)
            .output();
        let output = output.expect("Node runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}{errors}");
        // Two events, and the answers to three queries.
        assert_eq!(printed, "5 messages\n", "{errors}");
    }
}

#[test]
fn examples_of_events_are_valid() {
    if let Some(printed) = program::check(&document(), "examples of events") {
        // The events and the answers with their headers, but for what has no schema.
        assert_eq!(printed, "8 examples\n");
    }
}

#[test]
fn an_event_has_all_that_is_known_of_it() {
    let document = document();
    let document = document.value();
    let message = &document["components"]["messages"]["book-lent.2"];
    assert_eq!(message["summary"], "A book was lent");
    assert_eq!(
        message["description"],
        "A book was lent.\n\nRecorded by command handler `lend`. Taken by aggregate `book`."
    );
    let own = &message["payload"]["properties"];
    assert_eq!(own["version"]["const"], 2);
    assert_eq!(own["data"]["$ref"], "#/components/schemas/book-lent");
    let payload = &message["examples"][0]["payload"];
    assert_eq!(payload["tags"], json!(["book:1"]));
    assert_eq!(payload["data"]["book"], 1);
    let channel = &document["channels"]["events"];
    assert_eq!(channel["address"], "/events");
    assert_eq!(
        document["servers"]["server1"],
        json!({"host": "library.example", "protocol": "https", "pathname": "/api"})
    );
    let watch = &document["operations"]["send-watch-CountBooks"];
    assert_eq!(watch["bindings"]["http"]["method"], "GET");
}
