//! Processes that divide the work: some answer requests, others bring read models up to date.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{Builder, Role, SubscriptionState};
use cqrs_core::error::{Failure, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::EventLogExt;
use cqrs_postgres::Postgres;
use tokio::sync::mpsc;

use crate::support::postgres::Schema;
use crate::support::stores::on_each_twice;

/// Guests, who get a key.
mod hotel {
    use cqrs_core::prelude::*;
    use tokio::sync::mpsc;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct CheckIn {
        pub guest: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct HandOutKey {
        pub guest: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "guest-checked-in", version = 1)]
    pub struct GuestCheckedIn {
        #[id("guest")]
        pub guest: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "key-handed-out", version = 1)]
    pub struct KeyHandedOut {
        #[id("guest")]
        pub guest: u32,
    }

    #[command_handler]
    fn check_in(CheckIn { guest }: CheckIn) -> GuestCheckedIn {
        GuestCheckedIn { guest }
    }

    #[command_handler]
    fn hand_out_key(HandOutKey { guest }: HandOutKey) -> KeyHandedOut {
        KeyHandedOut { guest }
    }

    /// Where keys are handed out.
    pub struct Desk {
        pub keys: mpsc::UnboundedSender<u32>,
    }

    #[event_handler]
    async fn welcome(event: GuestCheckedIn, desk: Service<Desk>, app: &Dispatcher) -> Result<()> {
        let guest = event.guest;
        app.execute(HandOutKey { guest }).await?;
        app.query(CountGuests {}).await?;
        desk.keys.send(guest)?;
        Ok(())
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Guest {
        #[key]
        pub guest: u32,
    }

    pub struct Guests;

    #[projection(name = "guests", version = 1)]
    impl Guests {
        #[on]
        fn checked_in(event: &GuestCheckedIn, guests: &mut Views<Guest>) {
            guests.put(Guest { guest: event.guest });
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountGuests {}

    #[query_handler]
    async fn count_guests(_: CountGuests, guests: Read<Guest>) -> Result<u64> {
        guests.find().count().await
    }
}

use hotel::{CheckIn, CountGuests, Desk, Guests};

const WEB: [Role; 2] = [Role::Commands, Role::Queries];
const WORKER: [Role; 2] = [Role::Projections, Role::Reactions];

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// A short wait, of which the test expects that it runs out.
const SHORT: Duration = Duration::from_millis(50);

/// A desk, and the keys that it hands out.
fn desk() -> (Arc<Desk>, mpsc::UnboundedReceiver<u32>) {
    let (keys, receiver) = mpsc::unbounded_channel();
    (Arc::new(Desk { keys }), receiver)
}

async fn check_in(app: &Dispatcher, guest: u32) -> Receipt {
    app.execute(CheckIn { guest }).await.expect("is checked in")
}

fn states(app: &Dispatcher) -> Vec<SubscriptionState> {
    let subscriptions = app.health().subscriptions.into_iter();
    subscriptions.map(|it| it.state).collect()
}

/// Waits until the dispatcher shows all of its subscriptions so.
async fn until(app: &Dispatcher, state: &SubscriptionState) {
    let shown = async {
        while !states(app).iter().all(|it| it == state) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, shown).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", app.health()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_process_waits_for_what_a_worker_process_handles() {
    on_each_twice(hotel::module(), |[web, worker]| async move {
        let (desk, mut keys) = desk();
        // The reaction's service is that of the worker alone.
        let web = web.roles(WEB).build().await.expect("builds");
        let worker = worker.roles(WORKER).provide(desk);
        let worker = worker.build().await.expect("builds");
        for guest in 1..=20 {
            let receipt = check_in(&web, guest).await;
            let answer = web.query(CountGuests {}).after(&receipt).await;
            assert_eq!(answer.expect("answers"), u64::from(guest));
            assert_eq!(keys.recv().await, Some(guest));
        }
        let receipt = web.execute(CheckIn { guest: 21 }).and_wait_for::<Guests>();
        receipt.await.expect("shows");
        assert_eq!(web.query(CountGuests {}).await.expect("answers"), 21);
        until(&web, &SubscriptionState::Standby).await;
        until(&worker, &SubscriptionState::Running).await;
        assert!(web.health().is_ok() && worker.health().is_ok());
        web.wait_until_idle(LONG).await.expect("comes to rest");
        let listed = web.subscriptions().list().await.expect("is read");
        assert!(listed.iter().all(|it| it.behind == 0), "{listed:?}");

        let third = Dispatcher::builder().module(hotel::module());
        let third = third.stores_of(&web).roles([Role::Queries]);
        let third = third.build().await.expect("builds");
        let listed = third.subscriptions().list().await.expect("is read");
        let head = third.log().head().await.expect("is read");
        let positions = listed.iter().map(|it| it.health.position);
        assert_eq!(positions.collect::<Vec<_>>(), [head, head], "{listed:?}");
        until(&worker, &SubscriptionState::Running).await;
        web.shutdown(LONG).await.expect("ends");
        worker.shutdown(LONG).await.expect("ends");
    })
    .await;
}

/// Nobody else is there, and it would be the only one to claim anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_the_role_never_handles_events_and_says_if_nobody_does() {
    on_each_twice(hotel::module(), |builders| async move {
        let (desk, mut keys) = desk();
        let [web, worker] = builders.map(|it| it.lease(Duration::from_millis(300)));
        let web = web.roles(WEB).build().await.expect("builds");
        let receipt = check_in(&web, 1).await;
        until(&web, &SubscriptionState::Unattended).await;
        assert!(!web.health().is_ok());
        let answer = web
            .query(CountGuests {})
            .after(&receipt)
            .max_wait(SHORT)
            .await;
        let error = answer.expect_err("nobody folds").to_string();
        let why = "no process handles its events: start one that has the role for it";
        assert!(error.ends_with(why), "{error}");
        assert_eq!(web.query(CountGuests {}).await.expect("answers"), 0);

        let worker = worker.roles(WORKER).provide(desk);
        let worker = worker.build().await.expect("builds");
        let answer = web.query(CountGuests {}).after(&receipt).await;
        assert_eq!(answer.expect("answers"), 1);
        assert_eq!(keys.recv().await, Some(1));
        until(&web, &SubscriptionState::Standby).await;
        worker.shutdown(LONG).await.expect("ends");
        until(&web, &SubscriptionState::Unattended).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_the_role_is_operated_like_any_other() {
    on_each_twice(hotel::module(), |[web, worker]| async move {
        let (desk, mut keys) = desk();
        let web = web.roles(WEB).build().await.expect("builds");
        let worker = worker.roles(WORKER).provide(desk);
        let _worker = worker.build().await.expect("builds");
        let receipt = check_in(&web, 1).await;
        let answer = web.query(CountGuests {}).after(&receipt).await;
        assert_eq!(answer.expect("answers"), 1);
        assert_eq!(keys.recv().await, Some(1));
        let paused = web.subscriptions().pause("guests", "inventory").await;
        paused.expect("is paused");
        let receipt = check_in(&web, 2).await;
        let answer = web.query(CountGuests {}).after(&receipt).await;
        let error = answer.expect_err("is paused").to_string();
        assert!(error.ends_with("until it is resumed: inventory"), "{error}");
        let resumed = web.subscriptions().resume("guests").await;
        resumed.expect("is resumed");
        let answer = web.query(CountGuests {}).after(&receipt).await;
        assert_eq!(answer.expect("answers"), 2);
    })
    .await;
}

#[tokio::test]
async fn calls_without_the_role_fail_and_those_of_reactions_do_not() {
    on_each_twice(hotel::module(), |[commands, rest]| async move {
        let (desk, mut keys) = desk();
        let commands = commands.roles([Role::Commands]);
        let commands = commands.build().await.expect("builds");
        let rest = rest.roles(WORKER).provide(desk);
        let rest = rest.build().await.expect("builds");

        let errors = [
            rest.execute(CheckIn { guest: 1 }).await.err(),
            rest.session().execute(CheckIn { guest: 1 }).await.err(),
            rest.execute_json("CheckIn", br#"{"guest":1}"#).await.err(),
        ];
        for error in errors {
            let error = error.expect("is refused");
            let CommandError::Failed(Failure::NotInRole { role: "commands" }) = &error else {
                panic!("{error}");
            };
            let text = error.to_string();
            assert!(text.contains("the role `commands`"), "{text}");
        }
        let errors = [
            rest.query(CountGuests {}).await.err(),
            commands.query(CountGuests {}).await.err(),
            commands.session().query(CountGuests {}).await.err(),
            commands.query_json("CountGuests", b"{}").await.err(),
        ];
        for error in errors {
            let error = error.expect("is refused");
            let QueryErrorKind::Failed(Failure::NotInRole { role: "queries" }) = error.kind()
            else {
                panic!("{error}");
            };
        }
        assert_eq!(
            commands.log().head().await.expect("is read"),
            Position::START
        );

        // A reaction sends a command and asks a query, in a process that does neither for others.
        let shown = commands
            .execute(CheckIn { guest: 1 })
            .and_wait_for::<Guests>();
        shown.await.expect("shows");
        assert_eq!(keys.recv().await, Some(1));
        commands.wait_until_idle(LONG).await.expect("comes to rest");
        assert_eq!(commands.log().head().await.expect("is read").get(), 2);
        rest.shutdown(LONG).await.expect("ends");
        let refused = rest.execute(CheckIn { guest: 2 }).await;
        let error = refused.expect_err("is shut down");
        assert!(
            matches!(error, CommandError::Failed(Failure::ShutDown)),
            "{error}"
        );
    })
    .await;
}

async fn report(builder: Builder) -> String {
    let error = builder.build().await.err().expect("is refused");
    error.to_string()
}

#[tokio::test]
async fn roles_that_cannot_work_are_refused() {
    let builder = |store| Dispatcher::builder().module(hotel::module()).store(store);
    let (desk, _keys) = desk();
    let none = report(builder(Memory::new()).provide(desk.clone()).roles([])).await;
    assert!(none.contains("the dispatcher was given no role"), "{none}");
    assert!(none.contains("`.roles([Role::Commands, ..])`"), "{none}");

    let memory = Memory::new();
    let alone = report(builder(memory).roles(WEB)).await;
    let what =
        "read models are in the memory of a process that does not have the role `projections`";
    assert!(alone.contains(what), "{alone}");
    assert!(alone.contains(file!()), "{alone}");

    // Another dispatcher of the process may handle them.
    let memory = Memory::new();
    let shared = builder(memory.clone()).roles(WEB).build().await;
    let shared = shared.expect("builds");
    let worker = Dispatcher::builder().module(hotel::module());
    let worker = worker.stores_of(&shared).roles(WORKER).provide(desk);
    let worker = worker.build().await.expect("builds");
    let other = Dispatcher::builder().module(hotel::module());
    let other = other.stores_of(&worker).roles(WEB).build().await;
    let receipt = check_in(&shared, 1).await;
    let answer = other
        .expect("builds")
        .query(CountGuests {})
        .after(&receipt)
        .await;
    assert_eq!(answer.expect("answers"), 1);
    // Nothing is asked there.
    let commands = builder(Memory::new()).roles([Role::Commands]).build().await;
    commands.expect("builds");
}

#[tokio::test]
async fn services_are_required_by_the_handlers_of_the_roles() {
    let builder = || {
        let builder = Dispatcher::builder().module(hotel::module());
        builder.store(Memory::new())
    };
    for roles in [&[Role::Reactions][..], &Role::ALL] {
        let report = report(builder().roles(roles.iter().copied())).await;
        assert!(report.contains("hotel::Desk` was provided"), "{report}");
    }
    let roles = [Role::Commands, Role::Queries, Role::Projections];
    let app = builder().roles(roles).build().await.expect("builds");
    let receipt = check_in(&app, 1).await;
    let answer = app.query(CountGuests {}).after(&receipt).await;
    assert_eq!(answer.expect("answers"), 1);
}

/// A process of the program `role-process`.
struct RoleProcess {
    child: Child,
    _input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl RoleProcess {
    /// Starts it, and waits until it has begun.
    fn start(store: &[&str], roles: &str, action: &[&str]) -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_role-process"))
            .arg(roles)
            .args([&[action.len().to_string().as_str()], action].concat())
            .args(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut process = Self {
            _input: child.stdin.take().expect("is a pipe"),
            output: BufReader::new(child.stdout.take().expect("is a pipe")),
            child,
        };
        assert_eq!(process.line(), "begun");
        process
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("is read");
        line.trim().to_owned()
    }
}

/// A test that fails leaves no process behind.
impl Drop for RoleProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three processes: one handles events, one writes and prints the bookmark, and one reads after it.
fn a_text_goes_from_process_to_process(store: &[&str]) {
    let _worker = RoleProcess::start(store, "projections", &["work"]);
    for number in ["1", "2", "3"] {
        let mut writer = RoleProcess::start(store, "commands", &["send", number]);
        let bookmark = writer.line();
        assert!(bookmark.starts_with("1-"), "{bookmark}");
        let mut reader = RoleProcess::start(store, "queries", &["ask", &bookmark]);
        assert_eq!(reader.line(), number);
    }
}

#[test]
fn a_bookmark_goes_from_process_to_process_as_text_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    a_text_goes_from_process_to_process(&[path.to_str().expect("is text")]);
}

#[test]
fn a_bookmark_goes_from_process_to_process_as_text_on_postgres() {
    const TEST: &str = "a_bookmark_goes_from_process_to_process_as_text_on_postgres";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    a_text_goes_from_process_to_process(&[schema.url(), schema.name()]);
}
