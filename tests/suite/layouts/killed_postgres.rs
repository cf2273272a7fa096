//! Processes and servers that are killed while they migrate a database, after each statement of a
//! migration that defines something. A trigger of the database stops the process there.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use cqrs_postgres::Postgres;
use test_postgres::Server;
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, NoTls};

use super::assert_migrated;
use super::postgres::{create, shown};

const COUNT: u64 = 5_000;

/// How long a migration may take to the next stop, or to its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Schema of the log, and name of the process that is killed.
const NAME: &str = "killed";

/// Stops the process when the sequence has reached 0, until the test releases the lock. A rollback does
/// not take a sequence back.
const STOP: &str = "
    CREATE SEQUENCE public.statements MINVALUE -1000;
    CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('application_name') = 'killed' AND nextval('public.statements') = 0 THEN
            PERFORM pg_advisory_xact_lock(0);
        END IF;
    END $$;
    CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION public.stop()";

#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Process,
    ProcessAndServer,
}

async fn connect(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("connects");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

/// The number of sessions that wait for an advisory lock.
async fn waiting(client: &Client) -> i64 {
    let count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let row = client.query_one(count, &[]).await.expect("an answer");
    row.get(0)
}

/// Whether the process stops in the migration, and does not reach its end.
async fn is_stopped(client: &Client, process: &mut Child) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while waiting(client).await == 0 {
        if let Some(status) = process.try_wait().expect("can be asked") {
            assert!(status.success(), "{status}");
            return false;
        }
        assert!(
            Instant::now() < deadline,
            "the process neither stops nor ends"
        );
    }
    true
}

/// Migrates from the first layout, and kills the victim at this statement. Returns `false` if there are
/// fewer statements.
async fn kill_at(server: &Server, statement: i64, victim: Victim) -> bool {
    let mut client = connect(server).await;
    create(&client, NAME, 1, COUNT).await;
    if victim == Victim::ProcessAndServer {
        // The commits above did not wait for the disk.
        client.batch_execute("CHECKPOINT").await.expect("is done");
    }
    let before = shown(&client, NAME, 1).await;
    let stop = "SELECT pg_advisory_lock(0), setval('public.statements', $1)";
    client.execute(stop, &[&-statement]).await.expect("is set");
    let mut process = Command::new(env!("CARGO_BIN_EXE_opener"))
        .args([server.url(), NAME])
        .spawn()
        .expect("the process starts");
    let is_stopped = is_stopped(&client, &mut process).await;
    if is_stopped {
        process.kill().expect("can be killed");
    }
    process.wait().expect("the process ends");
    if is_stopped && victim == Victim::ProcessAndServer {
        server.kill();
        server.restart();
        client = connect(server).await;
    }

    // Until the server notices the death of the process, its transaction keeps the lock that the next
    // process needs, unless that finds that all migrations are committed.
    let options = Postgres::options().schema(NAME);
    let url = server.url().to_owned();
    let next = tokio::spawn(async move { options.connect(&url).await });
    if is_stopped && victim == Victim::Process {
        let deadline = Instant::now() + PATIENCE;
        while waiting(&client).await < 2 && !next.is_finished() {
            assert!(Instant::now() < deadline, "the next process does not wait");
        }
    }
    let release = "SELECT pg_advisory_unlock_all()";
    client.execute(release, &[]).await.expect("is released");
    let store = next.await.expect("no panic").expect("is migrated");
    assert_eq!(
        shown(&client, NAME, 1).await,
        before,
        "killed at statement {statement}"
    );
    assert_migrated(&store, COUNT).await;
    drop(store);
    let remove = format!("DROP SCHEMA {NAME} CASCADE");
    client.batch_execute(&remove).await.expect("is dropped");
    is_stopped
}

/// Kills the victim at every `step`th statement. Returns how often that was.
async fn kill_at_each(test: &'static str, victim: Victim, step: i64) -> Option<usize> {
    let server = spawn_blocking(move || Server::private(test)).await;
    let server = server.expect("no panic")?;
    let client = connect(&server).await;
    client.batch_execute(STOP).await.expect("is created");
    let mut kills = 0;
    for statement in (1..).map(|number| number * step) {
        if !kill_at(&server, statement, victim).await {
            break;
        }
        kills += 1;
    }
    Some(kills)
}

#[tokio::test]
async fn a_migration_of_postgres_that_is_killed_anywhere_is_finished_by_the_next_process() {
    let test = "a_migration_of_postgres_that_is_killed_anywhere_is_finished_by_the_next_process";
    if let Some(kills) = kill_at_each(test, Victim::Process, 1).await {
        assert!(kills > 25, "the migration was killed {kills} times only");
    }
}

#[tokio::test]
async fn a_migration_is_finished_after_the_server_is_killed() {
    let test = "a_migration_is_finished_after_the_server_is_killed";
    if let Some(kills) = kill_at_each(test, Victim::ProcessAndServer, 8).await {
        assert!(kills > 3, "the migration was killed {kills} times only");
    }
}
