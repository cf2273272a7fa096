//! A PostgreSQL server for tests: the one that `CQRS_TEST_POSTGRES_URL` names, a database in which
//! schemas may be created and dropped; else a private one in a temporary directory, from the
//! programs in `CQRS_POSTGRES_BIN`, or from those that are installed on this machine.
//!
//! A private server ends with the process that started it, however that ends, and leaves nothing
//! behind. It listens on 127.0.0.1 only, and trusts every connection.

mod find;
mod pooler;
mod supervisor;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub use find::binaries;
pub use pooler::Pooler;
use supervisor::Supervisor;
pub use supervisor::{ports, shell_as_its_user};
pub use test_tools::without;

/// A server that runs.
pub struct Server {
    url: String,
    /// `None` for one that was given.
    supervisor: Option<Mutex<Supervisor>>,
    shared: bool,
}

impl Server {
    /// The server that the tests of this process share, started at the first call. `None` when
    /// there is none to be had: then `test`, the test's name, is printed with why.
    ///
    /// # Panics
    /// Instead of `None` under `CQRS_REQUIRE_SERVICES=1`.
    pub fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match std::env::var("CQRS_TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Ok(Self {
                url,
                supervisor: None,
                shared: true,
            }),
            _ => Self::find().and_then(|binaries| Self::start(&binaries, None, true)),
        });
        match shared {
            Ok(server) => Some(server),
            Err(why) => without(test, why),
        }
    }

    /// A server of the test's own, for tests that kill it; never the one that was given.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub fn private(test: &str) -> Option<Self> {
        Self::find()
            .and_then(|binaries| Self::start(&binaries, None, false))
            .map_or_else(|why| without(test, &why), Some)
    }

    /// A server of the caller's own, from the programs in this directory.
    ///
    /// # Errors
    /// When there is no server, or it does not start.
    pub fn of(binaries: &Path) -> Result<Self, String> {
        Self::start(binaries, None, false)
    }

    /// A standby that follows this server, for tests that read from it.
    ///
    /// # Panics
    /// When this is not a private server, or the standby does not start.
    #[must_use]
    pub fn standby(&self) -> Self {
        // Nothing writes to the files while they are copied.
        self.stand_still();
        let standby = Self::find().and_then(|it| Self::start(&it, Some(&self.own()), false));
        self.go_on();
        standby.expect("a standby can be started")
    }

    fn find() -> Result<PathBuf, String> {
        binaries().ok_or_else(|| match std::env::var("CQRS_POSTGRES_BIN") {
            Ok(directory) if !directory.is_empty() => format!(
                "CQRS_POSTGRES_BIN is `{directory}`, which has no PostgreSQL server (initdb, \
                 pg_ctl, postgres)"
            ),
            _ => NONE.to_owned(),
        })
    }

    fn start(binaries: &Path, primary: Option<&Supervisor>, shared: bool) -> Result<Self, String> {
        let supervisor = Supervisor::new(binaries, primary, supervisor::ports())?;
        Ok(Self {
            url: format!(
                "postgres://postgres@127.0.0.1:{}/postgres",
                supervisor.port()
            ),
            supervisor: Some(Mutex::new(supervisor)),
            shared,
        })
    }

    /// The URL of a database to use.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where a server that was started here has its data (`data`) and its log (`log`), and nothing
    /// else on this machine.
    pub fn directory(&self) -> Option<Box<Path>> {
        let supervisor = self.supervisor.as_ref()?;
        Some(lock(supervisor).directory().into())
    }

    /// Kills the server's processes with SIGKILL, as a crash does, and waits until they are gone.
    ///
    /// # Panics
    /// When the server is shared.
    pub fn kill(&self) {
        self.own().kill().expect("the server can be killed");
    }

    /// Stops all of the server's processes with SIGSTOP: connections stay open, and nothing is
    /// answered.
    ///
    /// # Panics
    /// When the server is shared.
    pub fn stand_still(&self) {
        let stopped = self.own().carry_out("stand", "stopped");
        stopped.expect("the server can be stopped");
    }

    /// Lets a stopped server go on.
    ///
    /// # Panics
    /// When the server is shared.
    pub fn go_on(&self) {
        let running = self.own().carry_out("continue", "running");
        running.expect("the server goes on");
    }

    /// Copies the data of a killed server, to be [restored](Self::restore).
    ///
    /// # Panics
    /// When the server is shared, or the data cannot be copied.
    pub fn save(&self) {
        let saved = self.own().carry_out("save", "saved");
        saved.expect("the data can be copied");
    }

    /// Replaces the data of a killed server by the copy.
    ///
    /// # Panics
    /// When the server is shared, or there is no copy.
    pub fn restore(&self) {
        let restored = self.own().carry_out("restore", "restored");
        restored.expect("the data can be restored");
    }

    /// Starts a killed server again on its data and its URL, and waits until it answers.
    ///
    /// # Panics
    /// When the server is shared, or does not start.
    pub fn restart(&self) {
        self.own().restart().expect("the server can be restarted");
    }

    fn own(&self) -> MutexGuard<'_, Supervisor> {
        match &self.supervisor {
            Some(supervisor) if !self.shared => lock(supervisor),
            _ => panic!("a shared server is not to be killed: use Server::private"),
        }
    }
}

/// Each command is one exchange, which a panic does not leave halfway.
fn lock(supervisor: &Mutex<Supervisor>) -> MutexGuard<'_, Supervisor> {
    supervisor.lock().unwrap_or_else(PoisonError::into_inner)
}

const NONE: &str = "PostgreSQL's server (initdb, pg_ctl, postgres) is not installed: install \
                    Debian's `postgresql`; for tests that do not kill the server it is enough to \
                    set CQRS_TEST_POSTGRES_URL";
