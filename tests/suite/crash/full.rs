//! A disk that is full: a small file system in memory, which only the writing process sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::{Said, Writer};

/// Mounts the file system on `$1`; runs the writer `$3` there, if there is one; and leaves what it
/// complained of, and the database, in `$2`.
const SCRIPT: &str = "\
    mount -t tmpfs -o size=4m tmpfs \"$1\" || exit 1
    [ -n \"$3\" ] || exit 0
    \"$3\" \"$1/log.db\" full 2>\"$2/complaint\"
    cp \"$1\"/log.db* \"$2\"";

pub struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    /// `None`, with a message, where mounting is not permitted.
    pub fn new() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory can be made");
        for part in ["mount", "left"] {
            fs::create_dir(directory.path().join(part)).expect("a directory can be made");
        }
        let this = Self { directory };
        let mounts = this.command("").stderr(Stdio::null()).status();
        if mounts.is_ok_and(|status| status.success()) {
            return Some(this);
        }
        let missing = "no right to mount a file system of one's own (unshare): a full disk";
        let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
        assert!(
            !required,
            "{missing} cannot be tested, and CQRS_REQUIRE_SERVICES is 1"
        );
        eprintln!("{missing} was not tested");
        None
    }

    /// Lets a writer fill the disk. Returns its reports and its final error.
    pub fn fill(&self) -> (Vec<Said>, String) {
        let writer = Writer::spawn(self.command(env!("CARGO_BIN_EXE_crash-writer")));
        let said = writer.end();
        let complaint = fs::read_to_string(self.left("complaint"));
        (said, complaint.expect("it complained"))
    }

    /// The database, on a disk with room.
    pub fn database(&self) -> PathBuf {
        self.left("log.db")
    }

    fn left(&self, name: &str) -> PathBuf {
        self.directory.path().join("left").join(name)
    }

    fn command(&self, writer: &str) -> Command {
        let part = |name: &str| -> Box<Path> { self.directory.path().join(name).into() };
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
            .args([&*part("mount"), &*part("left")])
            .arg(writer);
        command
    }
}
