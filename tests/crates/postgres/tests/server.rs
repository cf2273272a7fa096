//! The server that tests use: that it is one, that it survives a crash, and that it ends.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_postgres::Server;

fn psql(url: &str, statements: &str) -> Output {
    let beside = test_postgres::binaries().map(|it| it.join("psql"));
    let program = beside.filter(|it| it.is_file());
    Command::new(program.unwrap_or_else(|| "psql".into()))
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements, url])
        .output()
        .expect("psql is installed with the server")
}

fn query(url: &str, statements: &str) -> String {
    let output = psql(url, statements);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let answer = String::from_utf8(output.stdout).expect("it answers in UTF-8");
    answer.trim_end().to_owned()
}

/// The processes that run in the directory, the server's and its supervisor's; those that are
/// dead do not count, even if nobody has taken note of their end.
fn processes(directory: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.map(|process| process.path())
        .filter(|process| {
            // Of a directory that was deleted it says so behind its name.
            fs::read_link(process.join("cwd")).is_ok_and(|it| {
                it.to_string_lossy()
                    .starts_with(&*directory.to_string_lossy())
            })
        })
        .collect()
}

fn gone(directory: &Path) -> bool {
    !directory.exists() && processes(directory).is_empty()
}

/// Asks again and again: nothing tells of processes that are not this one's children.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not after a minute: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A directory that the server's user may read.
fn readable() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("it is ours");
    directory
}

/// A process with a server for the test.
fn serve(test: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve-postgres"));
    command
        .arg(test)
        .env_remove("CQRS_TEST_POSTGRES_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The process, and what it prints: the URL and the directory. `None` when it has no server.
fn serving(test: &str) -> Option<(Child, String, PathBuf)> {
    let mut process = serve(test).spawn().expect("it can be run");
    let output = process.stdout.as_mut().expect("it is piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    if let (Some(url), Some(directory)) = (lines.next(), lines.next()) {
        return Some((process, url, directory.into()));
    }
    assert!(process.wait().expect("it ends").success());
    None
}

#[test]
fn the_shared_server_is_one_and_answers() {
    let test = "the_shared_server_is_one_and_answers";
    let Some(server) = Server::shared(test) else {
        return;
    };
    assert_eq!(query(server.url(), "SELECT 6 * 7"), "42");
    let again = Server::shared(test).expect("it was there");
    assert!(std::ptr::eq(server, again));
}

#[test]
fn a_private_server_is_durable_and_in_utc() {
    let Some(server) = Server::private("a_private_server_is_durable_and_in_utc") else {
        return;
    };
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("shared_buffers", "64MB"),
        ("max_connections", "400"),
        ("max_wal_size", "512MB"),
        ("listen_addresses", "127.0.0.1"),
        ("ssl", "off"),
        ("timezone", "UTC"),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(query(server.url(), &format!("SHOW {setting}")), value);
    }
}

#[test]
fn what_was_committed_survives_a_crash() {
    let Some(server) = Server::private("what_was_committed_survives_a_crash") else {
        return;
    };
    let (url, directory) = (server.url(), server.directory().expect("it is private"));
    query(
        url,
        "CREATE TABLE kept (it int); INSERT INTO kept VALUES (1)",
    );
    for crash in 1..=2 {
        server.kill();
        assert!(
            processes(&directory.join("data")).is_empty(),
            "a process survived the crash"
        );
        let refused = psql(url, "SELECT 1");
        assert!(!refused.status.success(), "it answers, but was killed");
        server.restart();
        assert_eq!(query(url, "SELECT sum(it) FROM kept"), crash.to_string());
        query(url, "INSERT INTO kept VALUES (1)");
    }
    let log = fs::read_to_string(directory.join("log")).expect("there is a log");
    assert!(log.contains("was not properly shut down"), "{log}");
}

#[test]
fn a_private_server_ends_when_it_is_dropped() {
    let test = "a_private_server_ends_when_it_is_dropped";
    for killed in [false, true] {
        let Some(server) = Server::private(test) else {
            return;
        };
        let directory = server.directory().expect("it is private");
        assert!(directory.exists());
        if killed {
            server.kill();
        }
        drop(server);
        assert!(gone(&directory));
    }
}

#[test]
fn nothing_is_left_behind_by_a_process_that_was_killed() {
    let test = "nothing_is_left_behind_by_a_process_that_was_killed";
    let Some((mut process, url, directory)) = serving(test) else {
        return;
    };
    assert_eq!(query(&url, "SELECT 1"), "1");
    if cfg!(target_os = "linux") {
        assert!(processes(&directory).len() > 2, "a server has processes");
    }
    process.kill().expect("SIGKILL can be sent");
    process.wait().expect("it ends");
    wait_until("it is gone", || gone(&directory));
}

#[test]
fn nothing_is_left_behind_by_a_process_that_was_killed_before_it_had_a_server() {
    let test = "nothing_is_left_behind_by_a_process_that_was_killed_before_it_had_a_server";
    let parent = readable();
    // The server's user makes its directory here.
    fs::set_permissions(parent.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let made = || fs::read_dir(parent.path()).expect("it is ours").count();
    let mut command = serve(test);
    let mut process = command
        .env("TMPDIR", parent.path())
        .spawn()
        .expect("it can be run");
    let mut ended = None;
    wait_until("it starts", || {
        ended = process.try_wait().expect("it can be waited for");
        ended.is_some() || made() > 0
    });
    process.kill().expect("SIGKILL can be sent");
    process.wait().expect("it ends");
    assert!(ended.is_none_or(|it| it.success()), "see above");
    wait_until("it is gone", || {
        made() == 0 && processes(parent.path()).is_empty()
    });
}

#[test]
fn nothing_is_left_behind_by_a_process_that_ends() {
    let test = "nothing_is_left_behind_by_a_process_that_ends";
    let Some((mut process, _, directory)) = serving(test) else {
        return;
    };
    drop(process.stdin.take());
    assert!(process.wait().expect("it ends").success());
    wait_until("it is gone", || gone(&directory));
}

#[test]
fn a_server_that_is_given_is_used() {
    let url = "postgres://somebody@elsewhere/database";
    let mut command = serve("a_server_that_is_given_is_used");
    let output = command.env("CQRS_TEST_POSTGRES_URL", url).output();
    let output = output.expect("it can be run");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), url);
}

#[test]
fn without_a_server_a_test_says_so_and_fails_only_where_it_is_required() {
    let broken = readable();
    fs::write(broken.path().join("postgres"), "").expect("it is ours");
    for program in ["initdb", "pg_ctl"] {
        symlink("/bin/false", broken.path().join(program)).expect("it is ours");
    }
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let path = [broken.path().to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&usual));
    let path = std::env::join_paths(path).expect("the names are plain");
    for (required, succeeds) in [("0", true), ("1", false)] {
        let output = serve("some_test")
            .env("PATH", &path)
            .env_remove("CQRS_POSTGRES_BIN")
            .env("CQRS_REQUIRE_SERVICES", required)
            .output()
            .expect("it can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), succeeds, "{errors}");
        assert!(errors.contains("some_test"), "{errors}");
        assert!(errors.contains("initdb failed"), "{errors}");
    }
}

#[test]
fn the_programs_that_are_named_are_used_and_no_others() {
    let empty = readable();
    for (directory, reason) in [
        (Some(empty.path()), "has no PostgreSQL server"),
        (test_postgres::binaries().as_deref(), ""),
    ] {
        let Some(directory) = directory else {
            return;
        };
        let output = serve("some_test")
            .env("CQRS_POSTGRES_BIN", directory)
            .env("CQRS_REQUIRE_SERVICES", "0")
            .stdin(Stdio::null())
            .output()
            .expect("it can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(reason), "{errors}");
        let started = String::from_utf8_lossy(&output.stdout).contains("postgres://");
        assert_eq!(started, reason.is_empty(), "{errors}");
    }
}
