//! Clients in TypeScript that generators make from the document of the running catalog. They are compiled, and talk to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use test_tools::{program, tool};

use crate::program::Program;
use crate::serve::Served;

/// What a client has to print.
fn expected() -> Value {
    json!({
        "replayed": [false, true],
        "same": true,
        "card": {"name": "Lamp", "price": "9.99"},
        "rejected": {
            "status": 409,
            "type": "urn:cqrs:problem:rejected:CreateProduct:already-exists",
            "existing": "P1",
        },
        "invalid": {"status": 400, "type": "urn:cqrs:problem:invalid", "pointer": "#/name"},
    })
}

/// Node and the compiler, or `None` if the machine has not both.
struct Compiler {
    node: PathBuf,
    modules: PathBuf,
}

impl Compiler {
    fn find(test: &str) -> Option<Self> {
        let node = program(&["node"], test)?;
        tool("npm/node_modules/typescript", "typescript", test)?;
        tool("npm/node_modules/@types/node", "@types/node", test)?;
        let modules = tool("npm/node_modules", "modules of npm", test)?;
        Some(Self {
            node,
            modules: modules.canonicalize().expect("is there"),
        })
    }

    /// Compiles a program with what is generated beside it, and runs it with an address.
    fn run(&self, directory: &Path, file: &str, address: &str) -> Value {
        symlink(&self.modules, directory.join("node_modules")).expect("is linked");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/typescript");
        let source = format!("{file}.ts");
        for name in ["package.json", "tsconfig.json", &source] {
            fs::copy(sources.join(name), directory.join(name)).expect("is copied");
        }
        let tsc = self.modules.join("typescript/bin/tsc");
        run(Command::new(&self.node)
            .current_dir(directory)
            .arg(tsc)
            .args(["--project", "."]));
        let printed = run(Command::new(&self.node)
            .current_dir(directory)
            .arg(format!("built/{file}.js"))
            .arg(address));
        serde_json::from_str(&printed).expect("is JSON")
    }
}

/// What a program prints that succeeds.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{printed}{errors}");
    printed
}

#[test]
fn a_client_of_types_from_the_document() {
    let test = "a client by openapi-typescript";
    let Some(compiler) = Compiler::find(test) else {
        return;
    };
    let generator = "npm/node_modules/openapi-typescript/bin/cli.js";
    let Some(generator) = tool(generator, "openapi-typescript", test) else {
        return;
    };
    let library = "npm/node_modules/openapi-fetch";
    if tool(library, "openapi-fetch", test).is_none() {
        return;
    }
    let program = Program::new();
    let served = Served::start(&program, &[]);
    let address = format!("http://{}", served.address);
    run(Command::new(&compiler.node)
        .arg(generator)
        .arg(format!("{address}/openapi.json"))
        .arg("--output")
        .arg(program.path("catalog.d.ts")));
    let printed = compiler.run(&program.path(""), "with-types", &address);
    assert_eq!(printed, expected());
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_client_of_classes_from_the_document() {
    let test = "a client by openapi-generator";
    let Some(compiler) = Compiler::find(test) else {
        return;
    };
    let name = "openapi-generator-cli";
    let Some(generator) = tool("python/bin/openapi-generator-cli", name, test) else {
        return;
    };
    if program(&["java"], test).is_none() {
        return;
    }
    let program = Program::new();
    let served = Served::start(&program, &[]);
    let address = format!("http://{}", served.address);
    let document = format!("{address}/openapi.json");
    run(Command::new(generator)
        .args(["generate", "--generator-name", "typescript-fetch"])
        .args(["--input-spec", &document])
        .args(["--additional-properties", "importFileExtension=.js"])
        .arg("--output")
        .arg(program.path("client")));
    let printed = compiler.run(&program.path(""), "generated", &address);
    assert_eq!(printed, expected());
    assert_eq!(served.stop(), Some(0));
}
