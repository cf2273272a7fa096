//! An application of two processes on a PostgreSQL cluster, of which one member is hit in each round: callers notice
//! a pause, no command and no query fails, and what was acknowledged is recorded, once.

mod application;
mod audit;
mod domain;
mod lost;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use application::Application;
use fastrand::Rng;
use test_cluster::{Cluster, Peer, Timing};
use tokio::runtime::Runtime;

/// How long callers wait. No failover takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The environment variable for a number of rounds, mixed at random. Otherwise there is one of each kind.
const ROUNDS_VARIABLE: &str = "CQRS_CLUSTER_ROUNDS";

/// The environment variable that has the cluster decide as slowly as the guide recommends, if it is `1`.
const RECOMMENDED_VARIABLE: &str = "CQRS_CLUSTER_RECOMMENDED";

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LeaderKilled,
    LeaderFrozen,
    SwitchedOver,
    SynchronousKilled,
    EtcdGone,
    CutOffFromEtcd,
    CutOffFromStandbys,
    CutOffFromApplication,
}

const FAULTS: [Fault; 8] = [
    Fault::LeaderKilled,
    Fault::LeaderFrozen,
    Fault::SwitchedOver,
    Fault::SynchronousKilled,
    Fault::EtcdGone,
    Fault::CutOffFromEtcd,
    Fault::CutOffFromStandbys,
    Fault::CutOffFromApplication,
];

/// How long the application cannot reach the leader, which nobody else notices: longer than a server has to answer, so
/// that connections are given up.
const CUT: Duration = Duration::from_secs(8);

impl Fault {
    /// Lets it happen, and waits until the cluster takes writes again. Returns how long that took, and what
    /// is to be done to make the cluster whole.
    fn inject(self, cluster: &Cluster) -> (Duration, Box<dyn Fn() + '_>) {
        let leader = cluster.wait_for_leader();
        let synchronous = cluster.wait_for_synchronous();
        let began = Instant::now();
        match self {
            Self::LeaderKilled => {
                cluster.kill(leader);
                cluster.wait_for_other_leader(leader);
                (
                    began.elapsed(),
                    Box::new(move || cluster.start_member(leader)),
                )
            }
            Self::LeaderFrozen => {
                cluster.freeze(leader);
                cluster.wait_for_other_leader(leader);
                // The callers go on before it does.
                (began.elapsed(), Box::new(move || cluster.thaw(leader)))
            }
            Self::SwitchedOver => {
                cluster.switch_over();
                (began.elapsed(), Box::new(|| {}))
            }
            Self::SynchronousKilled => {
                cluster.kill(synchronous);
                cluster.wait_for_other_synchronous(synchronous);
                (
                    began.elapsed(),
                    Box::new(move || cluster.start_member(synchronous)),
                )
            }
            Self::EtcdGone => {
                cluster.stop_etcd();
                cluster.wait_for_no_leader();
                cluster.start_etcd();
                cluster.wait_for_leader();
                (began.elapsed(), Box::new(|| {}))
            }
            Self::CutOffFromEtcd => {
                cluster.cut_off(leader, Peer::Etcd);
                cluster.wait_for_other_leader(leader);
                (
                    began.elapsed(),
                    Box::new(move || cluster.reconnect(leader, Peer::Etcd)),
                )
            }
            Self::CutOffFromStandbys => {
                cluster.cut_off(leader, Peer::Standbys);
                // Until then, appends wait for the one that is cut off.
                cluster.wait_for_no_synchronous();
                (
                    began.elapsed(),
                    Box::new(move || cluster.reconnect(leader, Peer::Standbys)),
                )
            }
            Self::CutOffFromApplication => {
                cluster.cut_off(leader, Peer::Application);
                sleep(CUT);
                cluster.reconnect(leader, Peer::Application);
                (began.elapsed(), Box::new(|| {}))
            }
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[test]
fn an_application_rides_out_what_a_cluster_can_do_to_it() {
    let _turn = turn();
    let test = "an_application_rides_out_what_a_cluster_can_do_to_it";
    let is_set = |variable| std::env::var(variable).is_ok_and(|value| value == "1");
    let timing = if is_set(RECOMMENDED_VARIABLE) {
        Timing::RECOMMENDED
    } else {
        Timing::QUICK
    };
    let Some(cluster) = Cluster::start(test, timing) else {
        return;
    };
    let mut random = Rng::new();
    let faults: Vec<Fault> = match std::env::var(ROUNDS_VARIABLE) {
        Ok(rounds) => {
            let rounds = 0..rounds.parse::<usize>().expect("a number of rounds");
            rounds
                .map(|_| FAULTS[random.usize(..FAULTS.len())])
                .collect()
        }
        Err(_) => FAULTS.to_vec(),
    };
    println!("{timing:?}");
    let runtime = runtime();
    runtime.block_on(audit::divide(&cluster.url()));
    let applications = [(); 2].map(|()| Application::start(&cluster.url(), PATIENCE));
    applications.iter().for_each(Application::wait_for_all);
    for (round, fault) in faults.iter().enumerate() {
        longest(&applications);
        let (took, heal) = fault.inject(&cluster);
        applications.iter().for_each(Application::wait_for_all);
        let [command, query] = longest(&applications);
        heal();
        cluster.wait_until_whole();
        applications.iter().for_each(Application::wait_for_all);
        let [while_healing, ..] = longest(&applications);
        println!(
            "{round:3} {fault:?}: the cluster takes writes after {}, commands waited for {}, queries for \
             {}; for {} more while it became whole",
            seconds(took),
            seconds(command),
            seconds(query),
            seconds(while_healing),
        );
        let failed = applications.each_ref().map(Application::failed).concat();
        assert!(failed.is_empty(), "{fault:?}: {failed:#?}");
    }
    let acknowledged = applications.map(Application::end).concat();
    let events = runtime.block_on(audit::audit(&cluster.url(), &acknowledged));
    println!("{} commands, {events} events", acknowledged.len());
}

#[test]
fn a_cluster_that_waits_for_no_standby_says_that_it_has_lost_events() {
    let _turn = turn();
    let test = "a_cluster_that_waits_for_no_standby_says_that_it_has_lost_events";
    let Some(cluster) = Cluster::start(test, Timing::QUICK) else {
        return;
    };
    runtime().block_on(lost::what_was_acknowledged_last_is_lost(&Arc::new(cluster)));
}

/// One cluster at a time: a busy machine makes failovers of its own.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("a runtime can be made")
}

/// The longest command and the longest query since the last call.
fn longest(applications: &[Application; 2]) -> [Duration; 2] {
    let rounds = applications.each_ref().map(Application::take_longest);
    [0, 1].map(|place| rounds[0][place].max(rounds[1][place]))
}
