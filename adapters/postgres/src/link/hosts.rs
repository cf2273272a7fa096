//! The servers that an address names.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::timelines::Timelines;
use crate::fault::{Fault, Unanswered};

/// Time after which the other servers are asked, too, if the first one has not accepted.
const HEAD_START: Duration = Duration::from_millis(250);

/// Pause before a server is asked again that has refused: it may be about to take over.
const PAUSE: Duration = Duration::from_millis(200);

/// A client, and what sends and receives for it.
type Connected = (Client, Connection<Socket, TlsStream>);

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// A connection to one of the servers.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) connection: Connection<Socket, TlsStream>,
    pub(super) host: Host,
}

/// The number of one of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host(usize);

/// The servers of an address, one of which is connected to: the first that accepts, and is what the address
/// asks for with `target_session_attrs`.
///
/// A server that is frozen accepts connections and says nothing, so the servers are asked beside each other,
/// not one after the other. Their names are resolved at each attempt.
#[derive(Clone)]
pub(crate) struct Hosts {
    /// One for each server.
    configs: Arc<[Config]>,
    /// The server that was connected to last, which is asked first.
    last: Arc<AtomicUsize>,
    /// Of those who search.
    turn: Arc<tokio::sync::Mutex<()>>,
    prefers_standby: bool,
    /// Of those that take writes. `None` unless one of several that does is looked for.
    timelines: Option<Arc<Timelines>>,
}

impl Hosts {
    /// With `prefers_standby`, a server that takes writes is connected to only if there is no other.
    pub(super) fn new(config: &Config, prefers_standby: bool) -> Self {
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let configs = match count {
            0 | 1 => Arc::new([config.clone()]) as Arc<[Config]>,
            count => (0..count).map(|index| only(config, index)).collect(),
        };
        Self {
            configs,
            last: Arc::default(),
            turn: Arc::default(),
            prefers_standby,
            timelines: None,
        }
    }

    /// The same servers, of which only the one that takes writes is connected to. If there is one server, it
    /// is the leader, or the error says that it is none.
    pub(super) fn leader(&self) -> Self {
        let mut configs = self.configs.to_vec();
        let are_several = configs.len() > 1;
        if are_several {
            for config in &mut configs {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
        }
        Self {
            configs: configs.into(),
            last: Arc::default(),
            turn: Arc::default(),
            prefers_standby: false,
            timelines: are_several.then(Arc::default),
        }
    }

    /// Connects to a server. Asks several again and again, for at most `longest`.
    pub(super) async fn connect(
        &self,
        tls: &MakeRustlsConnect,
        longest: Duration,
    ) -> Result<Opened, Fault> {
        if let [only] = &*self.configs {
            return Ok(Opened::new(0, only.connect(tls.clone()).await?));
        }
        if self.prefers_standby
            && let Some(opened) = self.standby(tls, longest).await
        {
            return Ok(opened);
        }
        let refusal = Mutex::new(None);
        let found = timeout(longest, self.search(tls, &refusal)).await;
        found.map_err(|_| {
            let refusal = refusal.into_inner().unwrap_or_else(PoisonError::into_inner);
            refusal.unwrap_or_else(|| Unanswered(longest).into())
        })
    }

    /// Connects to one of them, whatever it is now.
    pub(super) async fn connect_to(
        &self,
        Host(index): Host,
        tls: &MakeRustlsConnect,
    ) -> Result<Opened, Fault> {
        let mut config = self.configs[index].clone();
        config.target_session_attrs(TargetSessionAttrs::Any);
        Ok(Opened::new(index, config.connect(tls.clone()).await?))
    }

    /// The name of one of them in the address, with the port.
    pub(super) fn name(&self, Host(index): Host) -> String {
        let config = &self.configs[index];
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let address = config.get_hostaddrs().first();
        match (config.get_hosts().first(), address) {
            (Some(tokio_postgres::config::Host::Tcp(name)), _) => format!("{name}:{port}"),
            #[cfg(unix)]
            (Some(tokio_postgres::config::Host::Unix(path)), _) => {
                format!("{}:{port}", path.display())
            }
            (None, Some(address)) => format!("{address}:{port}"),
            (None, None) => format!("localhost:{port}"),
        }
    }

    async fn search(&self, tls: &MakeRustlsConnect, refusal: &Mutex<Option<Fault>>) -> Opened {
        let first = self.first();
        let once = timeout(HEAD_START, self.ask(first, tls, refusal));
        if let Ok(Some(opened)) = once.await {
            return opened;
        }
        // One search at a time: a leader that has just taken over, and those that are about to, are not asked
        // by all connections of the process at once.
        let _turn = self.turn.lock().await;
        let (first, count) = (self.first(), self.configs.len());
        let mut seekers = vec![Box::pin(self.seek(first, tls, refusal))];
        if let Ok(opened) = timeout(HEAD_START, seekers[0].as_mut()).await {
            return opened;
        }
        let others = (1..count).map(|step| (first + step) % count);
        seekers.extend(others.map(|index| Box::pin(self.seek(index, tls, refusal))));
        select_all(seekers).await.0
    }

    /// The server that is asked first.
    fn first(&self) -> usize {
        let is_balanced = self.configs[0].get_load_balance_hosts() == LoadBalanceHosts::Random;
        if is_balanced {
            random() % self.configs.len()
        } else {
            self.last.load(Ordering::Relaxed)
        }
    }

    /// Asks one server until it accepts.
    async fn seek(
        &self,
        index: usize,
        tls: &MakeRustlsConnect,
        refusal: &Mutex<Option<Fault>>,
    ) -> Opened {
        loop {
            if let Some(opened) = self.ask(index, tls, refusal).await {
                return opened;
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks one server. Keeps the reason if it refuses.
    async fn ask(
        &self,
        index: usize,
        tls: &MakeRustlsConnect,
        refusal: &Mutex<Option<Fault>>,
    ) -> Option<Opened> {
        match self.ask_once(index, tls).await {
            Ok(opened) => {
                self.last.store(index, Ordering::Relaxed);
                Some(opened)
            }
            Err(fault) => {
                let mut refusal = refusal.lock().unwrap_or_else(PoisonError::into_inner);
                *refusal = Some(fault);
                None
            }
        }
    }

    async fn ask_once(&self, index: usize, tls: &MakeRustlsConnect) -> Result<Opened, Fault> {
        let (client, mut connection) = self.configs[index].connect(tls.clone()).await?;
        if let Some(timelines) = &self.timelines {
            timelines.check(&client, &mut connection).await?;
        }
        Ok(Opened::new(index, (client, connection)))
    }

    /// A standby, if one of the servers is one and accepts. All are asked once.
    async fn standby(&self, tls: &MakeRustlsConnect, longest: Duration) -> Option<Opened> {
        let (count, first) = (self.configs.len(), random());
        // Not the first that answers, which would always be the nearest, but the first in a random order.
        let asked = (0..count).map(|step| async move {
            let index = (first + step) % count;
            let mut config = self.configs[index].clone();
            config.target_session_attrs(TargetSessionAttrs::ReadOnly);
            let connected = timeout(longest / 4, config.connect(tls.clone())).await;
            Some(Opened::new(index, connected.ok()?.ok()?))
        });
        join_all(asked).await.into_iter().flatten().next()
    }
}

impl Opened {
    fn new(index: usize, (client, connection): Connected) -> Self {
        Self {
            client,
            connection,
            host: Host(index),
        }
    }
}

fn random() -> usize {
    usize::try_from(RandomState::new().hash_one(()) >> 1 & 0xffff).unwrap_or_default()
}

/// The configuration for one of its servers.
fn only(all: &Config, index: usize) -> Config {
    let mut config = Config::new();
    if let Some(host) = all.get_hosts().get(index) {
        match host {
            tokio_postgres::config::Host::Tcp(name) => config.host(name),
            #[cfg(unix)]
            tokio_postgres::config::Host::Unix(path) => config.host_path(path),
        };
    }
    if let Some(address) = all.get_hostaddrs().get(index) {
        config.hostaddr(*address);
    }
    let ports = all.get_ports();
    if let Some(port) = ports.get(index).or(ports.first()) {
        config.port(*port);
    }
    if let Some(user) = all.get_user() {
        config.user(user);
    }
    if let Some(password) = all.get_password() {
        config.password(password);
    }
    if let Some(name) = all.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = all.get_options() {
        config.options(options);
    }
    if let Some(name) = all.get_application_name() {
        config.application_name(name);
    }
    if let Some(timeout) = all.get_connect_timeout() {
        config.connect_timeout(*timeout);
    }
    if let Some(timeout) = all.get_tcp_user_timeout() {
        config.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding())
        .target_session_attrs(all.get_target_session_attrs())
        .load_balance_hosts(all.get_load_balance_hosts());
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the client learns to configure must reach each server.
    #[test]
    fn each_server_has_the_whole_configuration() {
        let url = "postgres://u:p@a:1,b:2/d?sslmode=require&connect_timeout=3&options=-c%20x%3D1\
                   &application_name=n&keepalives_idle=7&keepalives_interval=8&keepalives_retries=9\
                   &tcp_user_timeout=4&target_session_attrs=read-only&load_balance_hosts=random\
                   &channel_binding=disable";
        let all: Config = url.parse().expect("it is an address");
        let one: Config = url.replace("a:1,b:2", "b:2").parse().expect("it is one");
        let hosts = Hosts::new(&all, false);
        assert_eq!(format!("{:?}", hosts.configs[1]), format!("{one:?}"));
        assert_eq!(hosts.configs[1], one);
    }
}
