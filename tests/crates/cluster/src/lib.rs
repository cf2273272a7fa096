//! A PostgreSQL cluster that fails over by itself, for tests: three servers with Patroni, one of them the
//! leader and one its synchronous standby, and etcd, by which they agree. All of it listens on 127.0.0.1
//! only, keeps its files in a temporary directory, and ends with the process that started it, however that
//! ends.

mod config;
mod programs;
mod rest;
mod supervisor;
mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use config::Ports;
use programs::Programs;
use supervisor::Supervisor;
use wire::Wire;

/// Time that nothing takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(120);

/// Pause between two questions. Patroni tells nothing by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// How fast the members find out that one of them is gone, in seconds, as Patroni names it. Patroni asks for
/// a `ttl` of at least `loop_wait` and twice `retry_timeout`.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a leader that is not heard of remains the leader.
    pub ttl: u32,
    /// How often each member looks around.
    pub loop_wait: u32,
    /// How long etcd or a server may take to answer.
    pub retry_timeout: u32,
}

impl Timing {
    /// For tests, of which a busy machine must not make failovers of its own.
    pub const QUICK: Self = Self {
        ttl: 6,
        loop_wait: 1,
        retry_timeout: 2,
    };

    /// For a cluster in use.
    pub const RECOMMENDED: Self = Self {
        ttl: 20,
        loop_wait: 2,
        retry_timeout: 5,
    };
}

/// A member of the cluster: a server and its Patroni.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member(usize);

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// The only one that takes writes.
    Leader,
    /// The one that has everything that was acknowledged, and takes over.
    Synchronous,
    /// One that follows.
    Replica,
}

/// What a member may be cut off from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// What the members agree by.
    Etcd,
    /// The members that follow it.
    Standbys,
    /// Whoever has the [address](Cluster::url) of the cluster.
    Application,
}

/// The ways that lead from a member to its peers, or from these to it.
struct Wires {
    etcd: Wire,
    standbys: Wire,
    application: Wire,
}

impl Wires {
    fn to(&self, peer: Peer) -> &Wire {
        match peer {
            Peer::Etcd => &self.etcd,
            Peer::Standbys => &self.standbys,
            Peer::Application => &self.application,
        }
    }
}

/// A cluster that runs.
pub struct Cluster {
    ports: Vec<Ports>,
    etcd_port: u16,
    supervisor: Mutex<Supervisor>,
    wires: [Wires; 3],
}

impl Cluster {
    /// The members, in the order of [`url`](Self::url).
    pub const MEMBERS: [Member; 3] = [Member(1), Member(2), Member(3)];

    /// Starts a cluster, and waits until it is [whole](Self::wait_until_whole). `None` where a program of it
    /// is not installed: then `test`, the test's name, is printed with the reason.
    ///
    /// # Panics
    /// Instead of `None` under `CQRS_REQUIRE_SERVICES=1`; and when it does not start.
    pub fn start(test: &str, timing: Timing) -> Option<Self> {
        let programs = match Programs::find() {
            Ok(programs) => programs,
            Err(why) => return test_tools::without(test, why),
        };
        // The same one may be found twice.
        let mut free: BTreeSet<u16> = test_postgres::ports().collect();
        let mut port = || free.pop_first().expect("a port is free");
        let etcd_ports = [port(), port()];
        let ports = Self::MEMBERS.map(|_| Ports {
            postgres: port(),
            rest: port(),
        });
        let wire = |to| Wire::new(to).expect("a port is free");
        let wires = ports.map(|ports| Wires {
            etcd: wire(etcd_ports[0]),
            standbys: wire(ports.postgres),
            application: wire(ports.postgres),
        });
        let mut supervisor = Supervisor::new(&programs, etcd_ports);
        let directory = supervisor.directory().to_owned();
        for (index, Member(number)) in Self::MEMBERS.into_iter().enumerate() {
            let ports = ports[index].seen_through(&wires[index]);
            let lines = config::member(number, ports, timing, &programs.postgres, &directory);
            let path = directory.join(format!("{number}.yml"));
            fs::write(path, lines).expect("the configuration can be written");
        }
        supervisor.ask("etcd");
        let this = Self {
            ports: ports.to_vec(),
            etcd_port: etcd_ports[0],
            supervisor: Mutex::new(supervisor),
            wires,
        };
        this.wait_for_etcd();
        for member in Self::MEMBERS {
            this.start_member(member);
        }
        this.wait_until_whole();
        Some(this)
    }

    /// The address of a database, with all hosts.
    pub fn url(&self) -> String {
        let wires = self.wires.iter();
        let hosts = wires.map(|wires| format!("127.0.0.1:{}", wires.application.port()));
        let hosts: Vec<_> = hosts.collect();
        format!("postgres://postgres@{}/postgres", hosts.join(","))
    }

    /// The address of the database on one member, from which nothing is cut off.
    pub fn url_of(&self, member: Member) -> String {
        let port = self.ports_of(member).postgres;
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// Where the members have their data (`1`, `2` and `3`) and their logs, and nothing else on this machine.
    pub fn directory(&self) -> PathBuf {
        self.supervisor().directory().to_owned()
    }

    /// The leader that takes writes, if there is one now.
    pub fn leader(&self) -> Option<Member> {
        let mut members = Self::MEMBERS.into_iter();
        members.find(|member| self.says(*member, "/primary"))
    }

    /// Waits for a leader that takes writes.
    ///
    /// # Panics
    /// When there is none after two minutes.
    pub fn wait_for_leader(&self) -> Member {
        self.wait_for("there is a leader", || self.leader())
    }

    /// Waits for a leader other than this one.
    ///
    /// # Panics
    /// As [`wait_for_leader`](Self::wait_for_leader).
    pub fn wait_for_other_leader(&self, former: Member) -> Member {
        let others = || Self::MEMBERS.into_iter().filter(|it| *it != former);
        self.wait_for("there is another leader", || {
            others().find(|member| self.says(*member, "/primary"))
        })
    }

    /// Waits until a leader, a synchronous standby and a replica are in agreement.
    ///
    /// # Panics
    /// When they are not after two minutes.
    pub fn wait_until_whole(&self) {
        self.wait_for("the cluster is whole", || {
            let roles: Vec<_> = self.roles().into_iter().map(|(_, role)| role).collect();
            let each = [
                MemberRole::Leader,
                MemberRole::Synchronous,
                MemberRole::Replica,
            ];
            // One that was killed is listed until `ttl` is over, so it is asked itself.
            let is_whole = each.iter().all(|role| roles.contains(role))
                && Self::MEMBERS.into_iter().all(|it| self.says(it, "/health"));
            (is_whole && self.leader().is_some()).then_some(())
        });
    }

    /// The members that run, as they agree on them.
    pub fn roles(&self) -> Vec<(Member, MemberRole)> {
        let answers = Self::MEMBERS.into_iter().map(|member| {
            let answer = rest::get(self.ports_of(member).rest, "/cluster");
            answer.ok().filter(|(status, _)| *status == 200)
        });
        let Some((_, body)) = answers.flatten().next() else {
            return Vec::new();
        };
        let cluster: Value = serde_json::from_str(&body).unwrap_or_default();
        let members = cluster["members"].as_array().into_iter().flatten();
        members.filter_map(running).collect()
    }

    /// The synchronous standby.
    ///
    /// # Panics
    /// When there is none after two minutes.
    pub fn wait_for_synchronous(&self) -> Member {
        self.wait_for("there is a synchronous standby", || {
            let mut roles = self.roles().into_iter();
            let found = roles.find(|(_, role)| *role == MemberRole::Synchronous);
            found.map(|(member, _)| member)
        })
    }

    /// Waits for a synchronous standby other than this one.
    ///
    /// # Panics
    /// As [`wait_for_synchronous`](Self::wait_for_synchronous).
    pub fn wait_for_other_synchronous(&self, former: Member) -> Member {
        self.wait_for("there is another synchronous standby", || {
            let mut roles = self.roles().into_iter();
            let found = roles.find(|it| it.1 == MemberRole::Synchronous && it.0 != former);
            found.map(|(member, _)| member)
        })
    }

    /// Waits until no member is the leader.
    ///
    /// # Panics
    /// When one still is after two minutes.
    pub fn wait_for_no_leader(&self) {
        self.wait_for("there is no leader", || {
            self.leader().is_none().then_some(())
        });
    }

    /// Kills Patroni and the server of a member with SIGKILL, as a crash of its machine does, and waits until
    /// they are gone.
    pub fn kill(&self, member: Member) {
        self.ask("kill", member);
    }

    /// Starts a member that was killed.
    pub fn start_member(&self, member: Member) {
        self.ask("start", member);
    }

    /// Stops Patroni and the server of a member with SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self, member: Member) {
        self.ask("freeze", member);
    }

    /// Lets the server of a frozen member go on where it was, until Patroni, which starts anew, demotes it.
    ///
    /// Patroni 3.0 with etcd 3 that goes on where it was may take it, by what it remembers, that it is the leader
    /// still, and does away with the entry of the one that is. A machine with a watchdog is reset before that.
    pub fn thaw(&self, member: Member) {
        self.ask("thaw", member);
    }

    /// Lets the synchronous standby take over from the leader, and waits for it. Returns the new leader.
    ///
    /// # Panics
    /// When Patroni refuses to.
    pub fn switch_over(&self) -> Member {
        let leader = self.wait_for_leader();
        let (Member(number), port) = (leader, self.ports_of(leader).rest);
        let body = format!("{{\"leader\": \"m{number}\"}}");
        let answer = rest::post(port, "/switchover", &body, LONG);
        let (status, text) = answer.expect("Patroni answers");
        assert_eq!(status, 200, "the switchover: {text}");
        self.wait_for_other_leader(leader)
    }

    /// Cuts a member off: nothing that it or its peer sends arrives, and neither is told. Others are reached as before.
    pub fn cut_off(&self, Member(number): Member, from: Peer) {
        self.wires[number - 1].to(from).cut();
    }

    /// Lets a member and its peer reach each other again. What was sent meanwhile arrives now.
    pub fn reconnect(&self, Member(number): Member, with: Peer) {
        self.wires[number - 1].to(with).mend();
    }

    /// Waits until no member is the synchronous standby.
    ///
    /// # Panics
    /// When one still is after two minutes.
    pub fn wait_for_no_synchronous(&self) {
        self.wait_for("there is no synchronous standby", || {
            let roles = self.roles();
            let mut others = roles.iter().filter(|it| it.1 != MemberRole::Leader);
            // An answer without a leader is of a moment at which the members do not agree.
            let is_complete = others.clone().count() < roles.len();
            (is_complete && others.all(|it| it.1 == MemberRole::Replica)).then_some(())
        });
    }

    /// From now on, the leader waits for no standby, and any may take over: what was acknowledged last may be lost.
    ///
    /// # Panics
    /// When the members do not agree on it within two minutes.
    pub fn make_asynchronous(&self) {
        let port = self.ports_of(self.wait_for_leader()).rest;
        let answer = rest::patch(port, "/config", "{\"synchronous_mode\": false}", LONG);
        let (status, text) = answer.expect("Patroni answers");
        assert_eq!(status, 200, "the configuration: {text}");
        self.wait_for_no_synchronous();
    }

    /// Kills etcd, by which the members agree: the leader demotes itself.
    pub fn stop_etcd(&self) {
        self.supervisor().ask("end-etcd");
    }

    /// Starts etcd again.
    ///
    /// # Panics
    /// When it does not answer after two minutes.
    pub fn start_etcd(&self) {
        self.supervisor().ask("etcd");
        self.wait_for_etcd();
    }

    fn wait_for_etcd(&self) {
        self.wait_for("etcd answers", || {
            let (status, _) = rest::get(self.etcd_port, "/health").ok()?;
            (status == 200).then_some(())
        });
    }

    /// Whether Patroni's answer to this question is yes.
    fn says(&self, member: Member, path: &str) -> bool {
        let answer = rest::get(self.ports_of(member).rest, path);
        answer.is_ok_and(|(status, _)| status == 200)
    }

    fn ask(&self, command: &str, Member(number): Member) {
        self.supervisor().ask(&format!("{command} {number}"));
    }

    fn ports_of(&self, Member(number): Member) -> Ports {
        self.ports[number - 1]
    }

    /// Each command is one exchange, which a panic does not leave halfway.
    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.logs());
            sleep(PAUSE);
        }
    }

    /// The ends of the logs, which go with the directory.
    fn logs(&self) -> String {
        let directory = self.directory();
        let names = ["log", "etcd.log", "1.log", "2.log", "3.log"];
        let logs = names.map(|name| {
            let text = fs::read(directory.join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<_> = text.lines().rev().take(20).collect();
            let lines: Vec<_> = lines.into_iter().rev().collect();
            format!("{name}:\n{}", lines.join("\n"))
        });
        logs.join("\n\n")
    }
}

/// A member and its role, if it runs.
fn running(member: &Value) -> Option<(Member, MemberRole)> {
    let number = member["name"].as_str()?.strip_prefix('m')?.parse().ok()?;
    let role = match member["role"].as_str()? {
        "leader" => MemberRole::Leader,
        "sync_standby" => MemberRole::Synchronous,
        _ => MemberRole::Replica,
    };
    let runs = matches!(member["state"].as_str()?, "running" | "streaming");
    runs.then_some((Member(number), role))
}
