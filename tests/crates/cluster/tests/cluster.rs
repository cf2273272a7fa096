//! The cluster that tests use: that it fails over, and that it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use test_cluster::{Cluster, MemberRole, Timing};

/// The processes that run in the directory; those that are dead do not count, even if nobody has taken note
/// of their end.
fn processes(directory: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<_> = all.map(|process| process.path()).collect();
    found.retain(|process| {
        // Of a directory that was deleted it says so behind its name.
        fs::read_link(process.join("cwd")).is_ok_and(|it| {
            let it = it.to_string_lossy().into_owned();
            it.starts_with(&*directory.to_string_lossy())
        })
    });
    found
}

/// Asks again and again: nothing tells of processes that are not this one's children.
fn wait_until_gone(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while directory.exists() || !processes(directory).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", processes(directory));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn another_member_takes_over() {
    let Some(cluster) = Cluster::start("another_member_takes_over", Timing::QUICK) else {
        return;
    };
    let first = cluster.wait_for_leader();
    let synchronous = cluster.wait_for_synchronous();
    cluster.kill(first);
    assert_eq!(cluster.wait_for_other_leader(first), synchronous);
    cluster.start_member(first);
    cluster.wait_until_whole();

    let second = cluster.wait_for_leader();
    cluster.freeze(second);
    let third = cluster.wait_for_other_leader(second);
    assert_ne!(third, second);
    cluster.thaw(second);
    cluster.wait_until_whole();

    let before = cluster.wait_for_leader();
    assert_ne!(cluster.switch_over(), before);
    cluster.wait_until_whole();
    let roles = cluster.roles();
    let leaders = roles.iter().filter(|it| it.1 == MemberRole::Leader);
    assert_eq!(leaders.count(), 1, "{roles:?}");

    let directory = cluster.directory();
    assert!(!processes(&directory).is_empty());
    drop(cluster);
    wait_until_gone(&directory);
}

#[test]
fn nothing_is_left_of_a_process_that_was_killed() {
    let test = "nothing_is_left_of_a_process_that_was_killed";
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve-cluster"));
    command.arg(test).stdin(Stdio::piped());
    let mut process = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let output = process.stdout.take().expect("it is piped");
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let Some(directory) = lines.skip(1).map(PathBuf::from).next() else {
        assert!(process.wait().expect("it ends").success());
        return;
    };
    process.kill().expect("it can be killed");
    process.wait().expect("it has ended");
    wait_until_gone(&directory);
}
