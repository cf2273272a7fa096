//! Builds and runs programs that must not share this one's process or dependency graph.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The folder of the benchmarks.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder for database files. It is beside the build, so on a disk rather than in memory.
pub fn scratch() -> Result<tempfile::TempDir> {
    let parent = folder().join("target/tmp");
    std::fs::create_dir_all(&parent)?;
    Ok(tempfile::TempDir::new_in(parent)?)
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(folder());
    command
}

/// Builds with these arguments below `target/<into>`. Returns the folder of the programs.
pub fn build(into: &str, profile: Profile, arguments: &[&str]) -> Result<PathBuf> {
    let target = folder().join("target").join(into);
    let mut command = cargo();
    command
        .args(["build", "--quiet"])
        .args(arguments)
        .arg("--target-dir")
        .arg(&target);
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command)?;
    Ok(target.join(if profile == Profile::Release {
        "release"
    } else {
        "debug"
    }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Release,
    Debug,
}

/// Runs a program whose figures are the last line on its standard error, as JSON. Its standard
/// output is discarded.
pub fn figures(program: &mut Command) -> Result<serde_json::Value> {
    let output = program
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().filter(|_| output.status.success());
    let last = last.ok_or_else(|| format!("{}: {text}", name(program)))?;
    Ok(serde_json::from_str(last)?)
}

/// Runs a program and returns its output.
pub fn run(program: &mut Command) -> Result<String> {
    let output = program.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{}: {}",
        name(program),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

fn name(program: &Command) -> String {
    let file = Path::new(program.get_program())
        .file_name()
        .map(OsStr::to_string_lossy);
    let arguments = program
        .get_args()
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ");
    format!("{} {arguments}", file.unwrap_or_default())
}
