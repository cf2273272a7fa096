//! Logs for tests on UmaDB, each on a server of its own.

use cqrs_conformance::LogFixture;
use cqrs_umadb::{Options, UmaDb};
use test_umadb::Server;

/// A server with an empty log.
pub struct Log {
    pub server: Server,
    options: Options,
}

impl Log {
    /// `None` where UmaDB is not installed; that is printed.
    pub fn fresh(test: &str, options: Options) -> Option<Self> {
        let server = Server::start(test)?;
        Some(Self { server, options })
    }
}

impl LogFixture for Log {
    type Log = UmaDb;

    async fn open_log(&self) -> UmaDb {
        let log = self.options.clone().connect(&self.server.url()).await;
        log.expect("UmaDB can be connected to")
    }
}
