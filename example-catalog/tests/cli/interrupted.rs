use std::fmt::Write;
use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{Program, Run};

const PRODUCTS: u64 = 600;
const DELIVERIES: u64 = 5;
const LINES: u64 = PRODUCTS * (2 + DELIVERIES);

/// Products with a few deliveries, which are alike, and a price change.
pub fn lines() -> String {
    let mut text = String::new();
    for product in 0..PRODUCTS {
        let id = format!("\"product_id\": \"P{product}\"");
        let mut add = |command: &str, data: &str| {
            writeln!(
                text,
                "{{\"command\": \"{command}\", \"data\": {{{id}, {data}}}}}"
            )
            .expect("a string takes all");
        };
        add(
            "CreateProduct",
            r#""name": "N", "description": "", "price": "9.99""#,
        );
        (0..DELIVERIES).for_each(|_| add("ReceiveStock", r#""units": 10"#));
        add("UpdateProductPrice", r#""new_price": "8.99""#);
    }
    text
}

/// Starts an import and kills it once `ripe` says so. Whether it came to that.
fn kill_when(program: &Program, ripe: impl Fn() -> bool) -> bool {
    let mut import = start(program);
    let start = Instant::now();
    while !ripe() {
        if import.try_wait().expect("its state").is_some() {
            return false;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not get anywhere"
        );
        // Nothing tells when another program has written so much.
        sleep(Duration::from_millis(1));
    }
    kill(import)
}

/// Starts an import.
pub fn start(program: &Program) -> Child {
    let mut command = program.command(["import", "lines"]);
    let import = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    import.expect("the program runs")
}

/// Kills an import, unless it has ended. Whether it had not.
pub fn kill(mut import: Child) -> bool {
    // SIGKILL: it has no chance to tidy up.
    import.kill().expect("it can be killed");
    import.wait().expect("it ends").code().is_none()
}

#[test]
fn an_import_that_was_killed_is_completed_without_duplicates() {
    let program = Program::new();
    program.write("lines", &lines());
    let log = program.path("catalog.db-wal");
    let begun = || fs::metadata(&log).is_ok_and(|log| log.len() > 200_000);
    assert!(
        kill_when(&program, begun),
        "the import was done before it could be killed"
    );
    for pause in [60, 150, 250] {
        let start = Instant::now();
        kill_when(&program, || start.elapsed() > Duration::from_millis(pause));
    }
    completes(&program);
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_ended_by_ctrl_c_counts_all_that_was_carried_out() {
    counts_all("INT", 130);
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_ended_by_sigterm_counts_all_that_was_carried_out() {
    counts_all("TERM", 143);
}

/// Ends an import with a signal, and imports the rest.
fn counts_all(signal: &str, code: i32) {
    let program = Program::new();
    program.write("lines", &lines());
    let log = program.path("catalog.db-wal");
    let import = spawn(&program, &["import", "lines"]);
    let written = || fs::metadata(&log).map_or(0, |log| log.len());
    // The tables come first, and then the handler of signals.
    wait_until(|| catches_sigterm(&import));
    let tables = written();
    wait_until(|| written() >= tables + 200_000);
    send_signal(signal, &import);
    let run = Run::from(import.wait_with_output().expect("it ends"));
    run.fails(code, "interrupted: import the file again");
    let counted = count(&run.out, "done");
    let again = program.ok(&["import", "lines"]);
    assert_eq!(count(&again, "processed before"), counted, "{again}");
    assert_eq!(count(&again, "done"), LINES - counted, "{again}");
}

/// Whether a process has a handler of SIGTERM, which the program installs once its action has begun.
#[cfg(target_os = "linux")]
pub fn catches_sigterm(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("its status");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.expect("a line").trim(), 16);
    caught.expect("a mask") & (1 << 14) != 0
}

/// Starts the program.
#[cfg(unix)]
pub fn spawn(program: &Program, arguments: &[&str]) -> Child {
    let mut command = program.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    child.spawn().expect("the program runs")
}

/// Sends a signal to a process.
#[cfg(unix)]
pub fn send_signal(signal: &str, child: &Child) {
    let mut kill = std::process::Command::new("kill");
    let kill = kill.args(["-s", signal, &child.id().to_string()]);
    assert!(kill.status().expect("a signal is sent").success());
}

/// Polls: another process sends no signal when it has come so far.
#[cfg(unix)]
pub fn wait_until(ripe: impl Fn() -> bool) {
    let start = Instant::now();
    while !ripe() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not get anywhere"
        );
        sleep(Duration::from_millis(1));
    }
}

/// How many lines are counted as this.
fn count(summary: &str, word: &str) -> u64 {
    let mut parts = summary.split(": ").flat_map(|part| part.split(", "));
    let count = parts.find_map(|part| part.split(" (").next()?.strip_suffix(word));
    let count = count.expect("it is counted").trim().replace(',', "");
    count.parse().expect("a number")
}

/// Imports the lines of which some are done, and looks whether each was done once.
pub fn completes(program: &Program) {
    let out = program.ok(&["import", "lines"]);
    let mut parts = out.split(": ").flat_map(|part| part.split(", "));
    let before = parts.find_map(|part| part.strip_suffix(" processed before"));
    assert!(before.is_some_and(|count| count != "0"), "{out}");

    let statistics = program.ask("GetCatalogStatistics", "{}");
    assert_eq!(statistics["products_on_sale"], PRODUCTS);
    assert_eq!(statistics["units_received"], PRODUCTS * DELIVERIES * 10);
    assert_eq!(statistics["price_changes"], PRODUCTS);
    let history = program.ok(&["history", "product", "P599"]);
    assert_eq!(
        history.matches("stock-received").count() as u64,
        DELIVERIES,
        "{history}"
    );

    let out = program.ok(&["import", "lines"]);
    let expected = format!(
        "0 done, {},{:03} processed before",
        LINES / 1000,
        LINES % 1000
    );
    assert!(out.contains(&expected), "{out}");
}
