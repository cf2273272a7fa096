//! What `scripts/setup` says of a machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What the script itself is made of.
const SHELL: [&str; 3] = ["awk", "bash", "dirname"];

/// Everything that the script looks for in `PATH`, or below the directory of the tools for documents.
const TOOLS: [&str; 30] = [
    "api/npm/node_modules/@asyncapi/parser/package.json",
    "api/npm/node_modules/@types/node/package.json",
    "api/npm/node_modules/axe-core/package.json",
    "api/npm/node_modules/openapi-fetch/package.json",
    "api/npm/node_modules/openapi-typescript/package.json",
    "api/npm/node_modules/typescript/package.json",
    "api/python/bin/openapi-generator-cli",
    "api/python/bin/openapi-spec-validator",
    "api/python/bin/schemathesis",
    "api/rotel/rotel/rotel-agent",
    "cargo",
    "cargo-clippy",
    "cargo-deny",
    "cargo-fmt",
    "cargo-semver-checks",
    "cc",
    "chromium",
    "dot",
    "etcd",
    "java",
    "mdbook",
    "node",
    "npm",
    "patroni",
    "pgbouncer",
    "postgres",
    "prometheus",
    "umadb",
    "unshare",
    "valgrind",
];

/// Where a program of this machine is.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

fn stub(directory: &Path, name: &str, script: &str) {
    let file = directory.join(name);
    let folder = file.parent().expect("it has one");
    fs::create_dir_all(folder).expect("can be made");
    fs::write(&file, format!("#!/usr/bin/env bash\n{script}\n")).expect("can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Runs the script on a machine that has these tools only, as a user who installs nothing.
fn setup(tools: &[&str]) -> Output {
    let machine = TempDir::new().expect("a directory can be made");
    for name in SHELL {
        let program = program(name).expect("is on this machine");
        symlink(program, machine.path().join(name)).expect("can be linked");
    }
    stub(machine.path(), "id", "echo 1000");
    stub(machine.path(), "uname", "echo Linux");
    for tool in tools {
        stub(machine.path(), tool, "exit 0");
    }
    Command::new(machine.path().join("bash"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/setup"))
        .env("PATH", machine.path())
        .env("CQRS_API_TOOLS", machine.path().join("api"))
        .env_remove("CC")
        .env_remove("CQRS_TEST_POSTGRES_URL")
        .env_remove("CQRS_UMADB")
        .output()
        .expect("bash runs")
}

fn said(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8(text).expect("prints text")
}

#[test]
fn a_machine_that_has_everything_is_asked_for_nothing() {
    let output = setup(&TOOLS);
    assert_eq!(said(&output), "");
    assert!(output.status.success());
}

#[test]
fn what_is_missing_is_named_with_what_is_not_done_without_it() {
    let output = setup(&["cargo", "cc"]);
    let said = said(&output);
    for line in [
        "setup: no rustfmt: the format is not checked. To get it: rustup component add rustfmt",
        "setup: no clippy: lints are not checked. To get it: rustup component add clippy",
        "setup: no valgrind: instructions are not counted. To get it: install valgrind",
        "setup: no mdbook: scripts/book does not build the book. To get it: cargo install mdbook",
        "setup: no cargo-deny: deny.toml is not checked here. To get it: cargo install cargo-deny",
        "setup: no Chromium: pages are not tested in a browser. To get it: install chromium",
        "setup: no Prometheus: metrics are not read by it. To get it: install prometheus",
        "setup: no openapi-spec-validator and schemathesis: documents of HTTP are not validated",
        "setup: no @asyncapi/parser: documents of events are not validated",
        "setup: no TypeScript, openapi-typescript and openapi-fetch: clients in TypeScript are not tested",
        "setup: no openapi-generator-cli: clients that it generates are not tested",
        "setup: no rotel: traces are not read by a collector of OpenTelemetry",
        "setup: no axe-core: pages are not checked for those who cannot see or point",
        "setup: no Graphviz: the graph of the flow map is not read by it. To get it: install graphviz",
        "setup: no unshare: SQLite is not tested on a full disk",
        "setup: no Patroni and etcd: clusters of PostgreSQL that fail over by themselves are not tested",
        "setup: no cargo-semver-checks: a release is not compared",
    ] {
        assert!(said.contains(line), "{line}\n\n{said}");
    }
    assert!(output.status.success(), "{said}");
}

#[test]
fn without_rust_or_a_c_compiler_nothing_can_be_built_and_both_are_named() {
    let output = setup(&[]);
    let said = said(&output);
    assert!(said.contains("no Rust: nothing is built"), "{said}");
    assert!(
        said.contains("no C compiler (cc): SQLite is not built"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}
