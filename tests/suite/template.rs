//! The template for `cargo generate`: a project made from it builds, passes its tests and runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "template-check";

/// Copies the template and replaces its placeholders, as `cargo generate` does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates a directory");
    for entry in fs::read_dir(from).expect("is a directory") {
        let entry = entry.expect("is readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("has a type").is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        let text = fs::read_to_string(entry.path()).expect("is text");
        let text = text
            .replace("{{project-name}}", NAME)
            .replace("{{crate_name}}", &NAME.replace('-', "_"));
        assert!(
            !text.contains("{{"),
            "{}: unknown placeholder",
            target.display()
        );
        fs::write(target, text).expect("writes a file");
    }
}

/// Each package of this checkout, as a line of `[patch.crates-io]`.
fn packages(workspace: &Path) -> Vec<String> {
    let adapters = fs::read_dir(workspace.join("adapters")).expect("is a directory");
    let adapters = adapters.map(|entry| entry.expect("is readable").path());
    ["cqrs-core", "cqrs-macros"]
        .into_iter()
        .map(|folder| workspace.join(folder))
        .chain(adapters)
        .map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("has a manifest");
            let name = manifest
                .lines()
                .find_map(|line| line.strip_prefix("name = "))
                .expect("has a name");
            format!("{name} = {{ path = '{}' }}\n", folder.display())
        })
        .collect()
}

/// A project made from the template, removed at the end. Its dependencies are this checkout's
/// packages, at the versions of this workspace's lock file, and its artifacts are the workspace's.
struct Project {
    root: PathBuf,
}

impl Project {
    fn generate() -> Self {
        // A fixed path, so that Cargo does not add artifacts to the target directory in every run.
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("template");
        let _ = fs::remove_dir_all(&root);
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        copy(&workspace.join("template"), &root);

        let manifest = root.join("Cargo.toml");
        let mut text = fs::read_to_string(&manifest).expect("is text");
        text += "\n[workspace]\n\n[patch.crates-io]\n";
        for package in packages(&workspace) {
            text += &package;
        }
        fs::write(manifest, text).expect("writes the manifest");
        fs::copy(workspace.join("Cargo.lock"), root.join("Cargo.lock")).expect("copies");
        Self { root }
    }

    fn cargo(&self, arguments: &[&str]) -> String {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .env("CARGO_TARGET_DIR", target)
            .current_dir(&self.root)
            .output()
            .expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("prints text")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn a_project_made_from_the_template_passes_its_tests_and_runs() {
    let project = Project::generate();
    let tests = project.cargo(&["test", "--offline"]);
    assert!(
        tests.contains("completed_tasks_are_not_listed ... ok"),
        "{tests}"
    );

    let run = ["run", "--offline", "--quiet", "--"];
    let add = |id, title| project.cargo(&[&run[..], &["add", id, title]].concat());
    add("1", "Water the plants");
    assert_eq!(
        add("2", "Feed the cat"),
        "1 Water the plants\n2 Feed the cat\n"
    );
    project.cargo(&[&run[..], &["complete", "1"]].concat());
    assert_eq!(project.cargo(&run), "2 Feed the cat\n");
}
