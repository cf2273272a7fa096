//! Connections to PostgreSQL: opening, configuring and pooling them.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod drivers;
pub(crate) mod hosts;
mod timelines;
mod tls;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio_postgres::{Client, Config};

use crate::fault::{Fault, Kind};
use crate::incarnations::Incarnations;
use crate::known_log::KnownLog;
use crate::link::connection::Connection;
use crate::link::dial::{Deadlines, Dial, row};
use crate::link::drivers::Drivers;
use crate::link::hosts::Hosts;
use crate::sql::{DURABLE, SESSION, Sql};
use crate::{ConnectError, Options};

/// What an address may ask for, and what the client is told instead.
const PREFER_STANDBY: &str = "target_session_attrs=prefer-standby";
const ANY: &str = "target_session_attrs=any";

const BACKEND_AND_ROLE: &str = "SELECT pg_backend_pid(), pg_is_in_recovery()";

/// Opens connections with a configured session.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) dial: Dial,
    /// The statements that configure a session.
    session: Arc<str>,
    /// Check of the log at the other end of a new connection. `None` before a log is known.
    log: Option<LogCheck>,
}

/// Check that a new connection leads to the known log.
#[derive(Clone)]
struct LogCheck {
    known: KnownLog,
    sql: Arc<Sql>,
    /// The connections lead to a replica. It may lag behind, so it cannot show that the log was replaced.
    is_copy: bool,
}

impl LogCheck {
    async fn recognize(&self, client: &Client) -> Result<Incarnations, Fault> {
        if self.is_copy {
            let log = self.known.recognize_copy(client, &self.sql).await?;
            let known = self.known.incarnations();
            Ok(Incarnations { log, ..known })
        } else {
            self.known.recognize_all(client, &self.sql).await
        }
    }
}

impl Link {
    /// Connections for the store's statements.
    pub(crate) fn new(options: &Options, url: &str) -> Result<Self, ConnectError> {
        // The client does not know this one.
        let parsed: Result<Config, _> = url.replacen(PREFER_STANDBY, ANY, 1).parse();
        let mut config = parsed.map_err(|error| ConnectError::Url {
            reason: without_content(&error),
        })?;
        if config.get_application_name().is_none() {
            config.application_name(&options.application_name);
        }
        let deadlines = Deadlines::new(options);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(deadlines.answer);
        }
        // A peer that disappears without closing the connection is noticed within half a minute.
        config
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(30));
        let timeout = milliseconds(options.statement_timeout);
        Ok(Self {
            dial: Dial {
                hosts: Hosts::new(&config, url.contains(PREFER_STANDBY)),
                tls: tls::connector(options)?,
                deadlines,
                observer: Arc::default(),
                drivers: None,
            },
            session: format!("{SESSION}; SET statement_timeout = {timeout}; {DURABLE}").into(),
            log: None,
        })
    }

    /// The same connections, to the one of several servers that takes writes.
    pub(crate) fn to_leader(&self) -> Self {
        let hosts = self.dial.hosts.leader();
        Self {
            dial: Dial {
                hosts,
                ..self.dial.clone()
            },
            ..self.clone()
        }
    }

    /// Connections for the statements of handlers, with the planner settings of the database.
    pub(crate) fn handler_session(&self, options: &Options) -> Self {
        let timeout = milliseconds(options.statement_timeout);
        let search_path = search_path(options);
        Self {
            session: format!("SET statement_timeout = {timeout}; {DURABLE}{search_path}").into(),
            ..self.clone()
        }
    }

    /// The same connections, with another statement to configure them.
    pub(crate) fn with(&self, statement: &str) -> Self {
        Self {
            session: format!("{}; {statement}", self.session).into(),
            ..self.clone()
        }
    }

    /// Connections for the store's statements and those that handlers record.
    pub(crate) fn writer_session(&self, options: &Options) -> Self {
        Self {
            session: format!("{}{}", self.session, search_path(options)).into(),
            ..self.clone()
        }
    }

    /// The same connections, driven by the task that opens them.
    pub(crate) fn driven_by(mut self, drivers: &Drivers) -> Self {
        self.dial.drivers = Some(drivers.clone());
        self
    }

    /// The same connections, read-only.
    pub(crate) fn read_only(&self) -> Self {
        let session = format!("{}; SET default_transaction_read_only = on", self.session);
        Self {
            session: session.into(),
            ..self.clone()
        }
    }

    /// The same connections, each of which is checked to lead to the known log.
    pub(crate) fn to_log(&self, known: &KnownLog, sql: &Arc<Sql>) -> Self {
        self.to(LogCheck {
            known: known.clone(),
            sql: sql.clone(),
            is_copy: false,
        })
    }

    /// The same connections, each of which is checked to lead to the known log or a replica of it.
    pub(crate) fn to_copy(&self, known: &KnownLog, sql: &Arc<Sql>) -> Self {
        self.to(LogCheck {
            known: known.clone(),
            sql: sql.clone(),
            is_copy: true,
        })
    }

    fn to(&self, log: LogCheck) -> Self {
        Self {
            log: Some(log),
            ..self.clone()
        }
    }

    /// Opens and configures a connection, which is driven by a task of its own unless there are drivers.
    pub(crate) async fn open(&self) -> Result<Connection, Fault> {
        // Boxed because it is large, rarely runs, and is part of every wait for a pooled connection.
        let opened = Box::pin(async {
            let (client, driver, host) = self.dial.connect().await?;
            let set_up = format!("{}; {BACKEND_AND_ROLE}", self.session);
            let answers = client.simple_query(&set_up).await?;
            let answer = answers.iter().rev().find_map(row).ok_or_else(|| {
                Fault::corrupt("the server does not say which process the connection has")
            })?;
            let backend = answer.get(0).unwrap_or_default();
            let is_to_leader = self.log.as_ref().is_some_and(|log| !log.is_copy);
            let is_to_standby = answer.get(1) == Some("t");
            if is_to_leader && is_to_standby {
                return Err(Fault::new(Kind::Lost, "the server is a standby now"));
            }
            let incarnations = match &self.log {
                Some(log) => log.recognize(&client).await?,
                None => Incarnations::default(),
            };
            Ok(Connection::new(
                client,
                driver,
                self.dial.clone(),
                (backend.to_owned(), host),
                is_to_standby,
                incarnations,
            ))
        });
        self.dial.in_time(opened).await
    }
}

impl managed::Manager for Link {
    type Type = Connection;
    type Error = Fault;

    async fn create(&self) -> Result<Connection, Fault> {
        self.open().await
    }

    /// Sends nothing, unless a future was dropped: the next exchange shows whether the server answers.
    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Fault> {
        let is_current = match &self.log {
            Some(log) if log.is_copy => log.known.incarnation() == connection.incarnation(),
            Some(log) => log.known.incarnations() == connection.incarnations(),
            None => true,
        };
        if is_current && connection.is_open() && connection.is_free().await {
            Ok(())
        } else {
            Err(RecycleError::message("the connection was closed"))
        }
    }
}

/// The reason why a URL cannot be read, without quoting it. Most errors of the client quote the URL,
/// which may contain a password.
fn without_content(error: &tokio_postgres::Error) -> String {
    match error.source().map(ToString::to_string) {
        Some(cause) if cause.starts_with("invalid value for option `") => cause,
        _ => "it is neither a URL nor a list of `key=value`, or names an unknown option".to_owned(),
    }
}

/// The statements that set the search path of handlers, empty without one.
fn search_path(options: &Options) -> String {
    let Some(path) = &options.search_path else {
        return String::new();
    };
    let path = path.replace('\'', "''");
    // A backslash must be a plain character, whatever the settings of the server are.
    format!(
        "; SET standard_conforming_strings = on; \
         SELECT set_config('search_path', '{path}', false)"
    )
}

/// A timeout as a setting of PostgreSQL, where 0 means no limit. Longer timeouts than it can hold become
/// 0. Rounded up, so that a timeout below one millisecond does not.
fn milliseconds(timeout: Duration) -> i32 {
    let up = timeout.as_nanos().div_ceil(1_000_000);
    i32::try_from(up).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_cut_down_to_none() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::MAX), 0);
    }
}
