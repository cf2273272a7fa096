//! Deadlines whose events cannot be recorded: an aggregate cannot fold them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_core::app::Process;
use cqrs_core::prelude::*;
use tokio::sync::watch;

use super::{idle, names};
use crate::support::parked::{parked, until, until_parked_at};
use crate::support::stores::on_each_with;

cqrs_core::module!();

/// Whether the aggregate folds deadlines.
static FOLDS: AtomicBool = AtomicBool::new(false);

/// Whether parcels can be handed over. Nobody knows until it is said.
static AT_HOME: LazyLock<watch::Sender<Option<bool>>> = LazyLock::new(|| watch::Sender::new(None));

/// Number of parcels that could not be handed over.
static REFUSED: LazyLock<watch::Sender<u32>> = LazyLock::new(|| watch::Sender::new(0));

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct BeginErrand {
    pub errand: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct HandOver {
    pub errand: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "errand-begun", version = 1)]
pub struct ErrandBegun {
    #[id(Board)]
    pub errand: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "errand-handed-over", version = 1)]
pub struct HandedOver {
    pub errand: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "errand-due", version = 1)]
pub struct ErrandDue {
    #[id(Board)]
    pub errand: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "errand-forgotten", version = 1)]
pub struct ErrandForgotten {
    #[id(Board)]
    pub errand: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Board;

#[aggregate(id = u32)]
impl Board {
    #[apply]
    fn due(&mut self, _: &ErrandDue) {
        assert!(FOLDS.load(Ordering::SeqCst), "there is no room");
    }
}

#[command_handler]
fn begin(BeginErrand { errand }: BeginErrand) -> ErrandBegun {
    ErrandBegun { errand }
}

#[command_handler]
async fn hand_over(HandOver { errand }: HandOver) -> Result<HandedOver, CommandError<Rejected>> {
    let mut at_home = AT_HOME.subscribe();
    let known = at_home.wait_for(Option::is_some).await;
    if known.is_ok_and(|it| *it == Some(true)) {
        return Ok(HandedOver { errand });
    }
    REFUSED.send_modify(|count| *count += 1);
    Err(CommandError::failed(Error::message("nobody is at home")))
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Errand;

#[process_manager(name = "errands", id(Board = u32))]
impl Errand {
    #[start]
    fn begun(
        &mut self,
        event: &ErrandBegun,
    ) -> (HandOver, Deadline<ErrandDue>, Deadline<ErrandForgotten>) {
        let errand = event.errand;
        (
            HandOver { errand },
            Deadline::after(ErrandDue { errand }, Duration::ZERO),
            Deadline::after(ErrandForgotten { errand }, Duration::from_secs(3600)),
        )
    }

    #[due]
    fn due(&mut self, _: &ErrandDue) {}

    #[due]
    fn forgotten(&mut self, _: &ErrandForgotten) -> End {
        End
    }
}

async fn find(app: &Dispatcher, errand: u32) -> Process<Errand> {
    let found = app.process::<Errand>(&errand).await.expect("reads");
    found.expect("it has begun")
}

/// The names of the deadlines that an errand waits for.
async fn deadlines(app: &Dispatcher, errand: u32) -> Vec<String> {
    let found = find(app, errand).await;
    let names = found.deadlines.iter();
    names.map(|deadline| deadline.name.clone()).collect()
}

/// Begins an errand, which is parked because of its deadline while its command is under way.
async fn begin_until_parked(app: &Dispatcher, errand: u32) -> Position {
    AT_HOME.send_replace(None);
    FOLDS.store(false, Ordering::SeqCst);
    let begun = app.execute(BeginErrand { errand }).await;
    let begun = begun.expect("begins").last();
    let parked = until_parked_at(app, "errands", begun).await;
    assert!(parked.cause.contains("`errand-due`"), "{parked:?}");
    begun
}

/// Has the command fail, after which nothing tries it, since its errand is parked.
async fn fail(app: &Dispatcher) {
    let mut refused = REFUSED.subscribe();
    let before = *refused.borrow_and_update();
    AT_HOME.send_replace(Some(false));
    let grown = refused.wait_for(|count| *count > before).await;
    grown.expect("it fails");
    // Once that is known, too. A failure that is noticed after the release would park it again.
    idle(app).await;
    assert_eq!(parked(app, "errands").await.len(), 1);
}

async fn handed_over(app: &Dispatcher) -> usize {
    let names = names(app).await;
    let all = names.iter().filter(|name| *name == "errand-handed-over");
    all.count()
}

/// One after the other, since they change what fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_skip_drops_the_deadline_that_cannot_be_recorded_and_nothing_else() {
    on_each_with(
        module(),
        |builder| builder.retry_for(Duration::ZERO),
        async |app| {
            let subscriptions = app.subscriptions();
            let begun = begin_until_parked(&app, 1).await;
            fail(&app).await;
            AT_HOME.send_replace(Some(true));
            let skipped = subscriptions.skip("errands", begun, "there is no room");
            skipped.await.expect("skips");
            idle(&app).await;
            assert_eq!(handed_over(&app).await, 1, "its command is sent");
            assert_eq!(deadlines(&app, 1).await, ["errand-forgotten"]);
            assert!(app.health().is_ok(), "{:?}", app.health());

            // A later skip at the same event drops the command, which fails now.
            let begun = begin_until_parked(&app, 2).await;
            fail(&app).await;
            let skipped = subscriptions.skip("errands", begun, "there is no room");
            skipped.await.expect("skips");
            let is_of_command = || async {
                let parked = parked(&app, "errands").await;
                let mut parked = parked.iter().filter(|it| !it.is_released);
                parked.any(|it| it.first == begun && it.cause.contains("its command"))
            };
            until(is_of_command, &app).await;
            assert_eq!(deadlines(&app, 2).await, ["errand-forgotten"]);
            assert_eq!(find(&app, 2).await.commands.len(), 1);
            let skipped = subscriptions.skip("errands", begun, "nobody is ever at home");
            skipped.await.expect("skips");
            AT_HOME.send_replace(Some(true));
            idle(&app).await;
            let found = find(&app, 2).await;
            assert_eq!(found.commands, []);
            assert_eq!(deadlines(&app, 2).await, ["errand-forgotten"]);
            assert_eq!(handed_over(&app).await, 1);
            assert!(app.health().is_ok(), "{:?}", app.health());

            // Released instead, it is recorded.
            begin_until_parked(&app, 3).await;
            FOLDS.store(true, Ordering::SeqCst);
            AT_HOME.send_replace(Some(true));
            let released = subscriptions.release("errands", 3).await;
            released.expect("releases");
            idle(&app).await;
            assert_eq!(deadlines(&app, 3).await, ["errand-forgotten"]);
            let names = names(&app).await;
            assert!(names.iter().any(|name| name == "errand-due"), "{names:?}");
            assert_eq!(handed_over(&app).await, 2);
            assert!(app.health().is_ok(), "{:?}", app.health());
        },
    )
    .await;
}
