//! Random commands of several processes on one log: some lose, are refused, panic, or are dropped. What each decision
//! has seen is compared with a fold of the log, whatever the caches keep.

mod domain;
mod replay;
mod rough_log;
mod sent;

use std::sync::Arc;

use cqrs_core::store::EventLog;
use cqrs_core::{Dispatcher, Memory};

use self::domain::module;
use self::replay::Replay;
use self::rough_log::Rough;
use self::sent::send_some;
use crate::support::decorated::Decorated;
use crate::support::race;
use crate::support::stores::on_each_twice;

/// Number of callers at the same time, and of the commands of each.
const CALLERS: usize = 9;
const COMMANDS: usize = 20;

/// Sends commands to all dispatchers, of which the first one reads the log at the end.
async fn compare(apps: Vec<Dispatcher>) {
    let seed = fastrand::u64(..);
    let sent = race(CALLERS, |caller| {
        send_some(apps.clone(), seed.wrapping_add(caller as u64), COMMANDS)
    })
    .await;
    let replay = Replay::of(&apps[0]).await;
    for sent in sent.iter().flatten() {
        replay.check(sent);
    }
    for app in &apps {
        replay.check_states(app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_decision_sees_a_fold_of_the_log() {
    on_each_twice(module(), |[first, second]| async move {
        let first = first.attempts(3).build().await.expect("builds");
        let beside = || Dispatcher::builder().module(module()).stores_of(&first);
        let others = [
            second.state_cache(2),
            beside().state_cache_bytes(300),
            beside().state_cache(0),
        ];
        let mut apps = vec![first.clone()];
        for other in others {
            apps.push(other.attempts(1_000).build().await.expect("builds"));
        }
        compare(apps).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_decision_on_a_rough_log_sees_a_fold_of_it() {
    let log: Arc<dyn EventLog> = Arc::new(Memory::new());
    let builder = || Dispatcher::builder().module(module());
    let rough = || {
        builder().log(Arc::new(Decorated {
            store: log.clone(),
            hooks: Rough,
        }))
    };
    let mut apps = Vec::new();
    for builder in [
        builder().log(log.clone()),
        rough().attempts(1_000),
        rough().attempts(2),
        rough().attempts(1_000).state_cache(2),
    ] {
        apps.push(builder.build().await.expect("builds"));
    }
    compare(apps).await;
}
