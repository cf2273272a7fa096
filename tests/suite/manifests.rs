//! What the manifests of the published crates say about them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().expect("is a list")
}

/// The packages without `publish = false`.
fn published(metadata: &Value) -> impl Iterator<Item = &Value> {
    packages(metadata)
        .iter()
        .filter(|package| package["publish"].is_null())
}

fn directory(package: &Value) -> &Path {
    let manifest = package["manifest_path"].as_str().expect("is a path");
    Path::new(manifest).parent().expect("is in a directory")
}

/// The platform that the tests were built on, whose dependencies are available offline.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output();
    let text = String::from_utf8(output.expect("rustc runs").stdout).expect("prints text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("names the host").to_owned()
}

/// `1.89` and `1.89.0` are one version.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|n| n.parse().expect("is a number"));
    let major = numbers.next().expect("has a major version");
    (major, numbers.next().unwrap_or(0))
}

#[test]
fn a_published_crate_says_what_it_is_and_how_it_may_be_used() {
    let metadata = metadata(&["--no-deps"]);
    assert!(published(&metadata).count() >= 4);
    for package in published(&metadata) {
        let name = &package["name"];
        for key in ["description", "license", "readme", "rust_version"] {
            assert!(package[key].is_string(), "{name} has no `{key}`");
        }
        for key in ["keywords", "categories"] {
            let count = package[key].as_array().map_or(0, Vec::len);
            assert!((1..=5).contains(&count), "{name} has {count} `{key}`");
        }
        let docs = &package["metadata"]["docs"]["rs"]["all-features"];
        assert_eq!(docs, true, "{name} is not documented with all features");
    }
}

#[test]
fn a_published_crate_carries_its_readme_and_its_licenses() {
    let metadata = metadata(&["--no-deps"]);
    for package in published(&metadata) {
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let path = directory(package).join(file);
            assert!(path.is_file(), "{} is missing", path.display());
        }
    }
}

#[test]
fn a_published_crate_depends_on_published_crates_only() {
    let metadata = metadata(&["--no-deps"]);
    let is_published = |name: &Value| published(&metadata).any(|package| package["name"] == *name);
    for package in published(&metadata) {
        for dependency in package["dependencies"].as_array().expect("is a list") {
            // One of this workspace: cargo leaves one for tests out of a package if it has no version.
            let has_version = dependency["kind"] != "dev" || dependency["req"] != "*";
            if dependency["path"].is_string() && has_version {
                let names = (&package["name"], &dependency["name"]);
                assert!(is_published(&dependency["name"]), "{names:?}");
            }
        }
    }
}

#[test]
fn no_dependency_needs_a_newer_rust_than_the_workspace_promises() {
    let metadata = metadata(&["--filter-platform", &host()]);
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    for package in packages(&metadata) {
        let theirs = package["rust_version"].as_str().map_or((1, 0), version);
        assert!(theirs <= ours, "{} needs {theirs:?}", package["name"]);
    }
}

#[test]
fn every_example_of_a_published_crate_is_run_by_the_tests() {
    let metadata = metadata(&["--no-deps"]);
    for package in published(&metadata) {
        for target in package["targets"].as_array().expect("is a list") {
            if target["kind"][0] == "example" {
                let name = &target["name"];
                assert_eq!(target["test"], true, "{name} needs `test = true`");
            }
        }
    }
}
