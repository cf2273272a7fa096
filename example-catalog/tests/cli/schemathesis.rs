use std::process::Command;

use test_tools::tool;

use crate::program::Program;
use crate::serve::Served;

/// Requests that Schemathesis makes from the document find no failure of the server, and no answer that is not in the document.
#[test]
fn the_document_is_true() {
    let test = "requests made from the document";
    let Some(schemathesis) = tool("python/bin/schemathesis", "schemathesis", test) else {
        return;
    };
    let program = Program::new();
    let served = Served::start(&program, &[]);
    let output = Command::new(schemathesis)
        .current_dir(program.path(""))
        .args(["run", &format!("http://{}/openapi.json", served.address)])
        .args(["--phases", "examples,fuzzing", "--max-examples", "15"])
        .args(["--seed", "1", "--no-color"])
        // A query waits for a position that is not there yet, and gets 503.
        .args(["--header", "Min-Position: 0"])
        .arg("--checks")
        .arg(
            "not_a_server_error,status_code_conformance,content_type_conformance,\
             response_headers_conformance,response_schema_conformance",
        )
        .output()
        .expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    // Each message: 14 commands, and 7 queries in two ways.
    assert!(printed.contains("Tested: 28"), "{printed}");
    assert_eq!(served.stop(), Some(0));
}
