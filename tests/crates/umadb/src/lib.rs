//! An UmaDB server for a test: a private one, with a log of its own in a temporary directory, since
//! a server has one log. It ends with the process that started it, however that ends, and leaves
//! nothing behind. It listens on 127.0.0.1 only.

mod supervisor;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use supervisor::Supervisor;
use test_tools::{in_path, without};

/// A server that runs, or that was killed.
pub struct Server {
    port: u16,
    supervisor: Mutex<Supervisor>,
}

impl Server {
    /// Starts a server with an empty log. `None` where UmaDB is not installed: then `test`, the
    /// test's name, is printed with the reason.
    ///
    /// # Panics
    /// Instead of `None` under `CQRS_REQUIRE_SERVICES=1`; and when the server does not start.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[])
    }

    /// Starts a server with more arguments, such as `--api-key`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(test: &str, arguments: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            return without(test, NONE);
        };
        let mut supervisor = Supervisor::new(&program, arguments);
        let port = supervisor.start_on_a_free_port();
        Some(Self {
            port,
            supervisor: Mutex::new(supervisor),
        })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("umadb://127.0.0.1:{}", self.port)
    }

    /// Kills the server with SIGKILL, as a crash does, and waits until it is gone.
    pub fn kill(&self) {
        self.supervisor().ask("kill", "gone");
    }

    /// Starts a killed server again on its data and its URL, and waits until it listens.
    pub fn restart(&self) {
        let start = format!("start {}", self.port);
        self.supervisor().ask(&start, "ready");
    }

    /// Stops the server with SIGSTOP: connections stay open, and nothing is answered.
    pub fn stand_still(&self) {
        self.supervisor().ask("stand", "stopped");
    }

    /// Lets a stopped server go on.
    pub fn go_on(&self) {
        self.supervisor().ask("continue", "running");
    }

    /// Copies the data of a killed server, to be [restored](Self::restore).
    pub fn save(&self) {
        self.supervisor().ask("save", "saved");
    }

    /// Replaces the data of a killed server by the copy.
    pub fn restore(&self) {
        self.supervisor().ask("restore", "restored");
    }

    /// Removes the data of a killed server.
    pub fn clear(&self) {
        self.supervisor().ask("clear", "cleared");
    }

    /// Appends an event with the client of the Python package that the server comes with.
    ///
    /// # Panics
    /// Where the program is not the one of the package.
    pub fn append_as_another_client(&self) {
        let program = program().expect("the server was started from it");
        let python = program.with_file_name("python");
        let script = format!(
            "import umadb; c = umadb.Client('http://127.0.0.1:{}'); \
             c.append([umadb.Event('noted', b'1', ['other:O'])])",
            self.port
        );
        let status = Command::new(&python)
            .args(["-c", &script])
            .status()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        assert!(status.success(), "the package's client appends");
    }

    /// Each command is one exchange, which a panic does not leave halfway.
    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

const NONE: &str = "UmaDB's server is not installed: run `scripts/setup`, or set CQRS_UMADB to the program \
                    `umadb` of the Python package of that name";

/// The server's program: `CQRS_UMADB`, else the one in `PATH`, else the one that `scripts/setup`
/// installed.
fn program() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CQRS_UMADB") {
        return Some(given.into());
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.tools/umadb/bin/umadb");
    in_path(&["umadb"]).or_else(|| installed.is_file().then_some(installed))
}
