use std::path::PathBuf;
use std::process::Command;

use crate::program::{Program, workspace};
use crate::serve::Served;

/// Where scripts/setup installs it, or `None`.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
fn installed() -> Option<PathBuf> {
    let tools = std::env::var_os("CQRS_API_TOOLS")
        .map_or_else(|| workspace().join(".tools/api"), PathBuf::from);
    let file = tools.join("python/bin/schemathesis");
    if file.exists() {
        return Some(file);
    }
    let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
    assert!(
        !required,
        "requests made from the document cannot be tested, and CQRS_REQUIRE_SERVICES is 1: there is no schemathesis"
    );
    eprintln!("requests made from the document are not tested: there is no schemathesis");
    None
}

/// Requests that Schemathesis makes from the document find no failure of the server, and no answer that is not in the document.
#[test]
fn the_document_is_true() {
    let Some(schemathesis) = installed() else {
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
