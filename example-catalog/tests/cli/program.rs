use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program with a directory of its own, in which it runs.
pub struct Program {
    directory: TempDir,
    /// What comes before all other arguments.
    database: Vec<String>,
}

/// How a run ended, and what it wrote.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Program {
    pub fn new() -> Self {
        Self::on(&[])
    }

    /// With arguments that name a database.
    pub fn on(database: &[&str]) -> Self {
        Self {
            directory: TempDir::new().expect("a temporary directory"),
            database: database.iter().map(|&it| it.to_owned()).collect(),
        }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("a file");
    }

    /// The program, about to run in a pipe, with nothing in its environment about colors.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example-catalog"));
        command
            .args(&self.database)
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CATALOG_STORE"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments)
            .output()
            .expect("the program runs")
            .into()
    }

    /// Runs and expects success.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
        run.out
    }

    /// Asks a query and expects an answer.
    pub fn ask(&self, query: &str, json: &str) -> Value {
        serde_json::from_str(&self.ok(&["ask", query, json])).expect("JSON")
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Run {
    /// Expects an exit code, and a text on the standard error.
    pub fn fails(&self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(text), "{text:?} is not in {self:?}");
    }
}

/// The directory of the workspace, which file names in `explain` are relative to.
pub fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package is in a workspace")
}

/// Puts zeros for what no two runs have alike: times.
pub fn without_times(text: &str) -> String {
    text.split_inclusive([' ', '\n'])
        .map(|word| {
            let date = word.len() >= 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-';
            let time = word.trim_end().ends_with('Z') && word.contains(':');
            let zero = |letter: char| if letter.is_ascii_digit() { '0' } else { letter };
            if date || time {
                word.chars().map(zero).collect()
            } else {
                word.to_owned()
            }
        })
        .collect()
}
