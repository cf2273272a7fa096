//! What was skipped for an instance stays out of what becomes of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use cqrs_core::app::{Builder, Process};
use cqrs_core::prelude::*;

use tokio::sync::watch;

use super::{idle, names};
use crate::support::parked::{until_parked, until_parked_at};
use crate::support::stores::on_each_with;

/// Parts of chores that fail for now.
static BROKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Whether tools are brought. Nobody knows until it is said.
static BROUGHT: LazyLock<watch::Sender<Option<bool>>> = LazyLock::new(|| watch::Sender::new(None));

/// The chores from this one on need a tool that is brought.
const WITH_TOOL: u32 = 100;

const HOUR: Duration = Duration::from_secs(3600);

macro_rules! chores {
    ($module:ident, $count:expr) => {
        mod $module {
            use cqrs_core::prelude::*;

            use super::{BROKEN, BROUGHT, HOUR, WITH_TOOL};

            cqrs_core::module!();

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct BeginChore {
                pub chore: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct WorkOn {
                pub chore: u32,
                pub part: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct ExtendChore {
                pub chore: u32,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct BringTool {
                pub chore: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "tool-brought", version = 1)]
            pub struct ToolBrought {
                pub chore: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "chore-begun", version = 1)]
            pub struct ChoreBegun {
                #[id("chore")]
                pub chore: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "chore-worked-on", version = 1)]
            pub struct WorkedOn {
                #[id("chore")]
                pub chore: u32,
                pub part: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "chore-extended", version = 1)]
            pub struct ChoreExtended {
                #[id("chore")]
                pub chore: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "chore-due", version = 1)]
            pub struct ChoreDue {
                #[id("chore")]
                pub chore: u32,
            }

            #[command_handler]
            fn begin(BeginChore { chore }: BeginChore) -> ChoreBegun {
                ChoreBegun { chore }
            }

            #[command_handler]
            fn work(WorkOn { chore, part }: WorkOn) -> WorkedOn {
                WorkedOn { chore, part }
            }

            #[command_handler]
            async fn bring(
                BringTool { chore }: BringTool,
            ) -> Result<ToolBrought, CommandError<Rejected>> {
                let mut brought = BROUGHT.subscribe();
                let known = brought.wait_for(Option::is_some).await;
                match known.map(|it| *it) {
                    Ok(Some(true)) => Ok(ToolBrought { chore }),
                    _ => Err(CommandError::failed(Error::message("nobody has one"))),
                }
            }

            #[command_handler]
            fn extend(ExtendChore { chore }: ExtendChore) -> ChoreExtended {
                ChoreExtended { chore }
            }

            #[derive(Debug, Default, Serialize, Deserialize)]
            pub struct Chore {
                pub count: u32,
            }

            #[process_manager(name = "chores", id("chore" = u32))]
            impl Chore {
                #[start]
                fn begun(&mut self, event: &ChoreBegun) -> (Deadline<ChoreDue>, Option<BringTool>) {
                    let chore = event.chore;
                    self.count += $count;
                    let due = Deadline::after(ChoreDue { chore }, HOUR);
                    (due, (chore >= WITH_TOOL).then_some(BringTool { chore }))
                }

                #[on]
                fn worked(&mut self, event: &WorkedOn) -> Result<()> {
                    self.work(event.part)
                }

                #[on]
                fn extended(&mut self, _: &ChoreExtended) -> Reschedule<ChoreDue> {
                    Reschedule::after(2 * HOUR)
                }

                /// The last part has the number of the chore.
                #[due]
                fn due(&mut self, due: &ChoreDue) -> Result<()> {
                    self.work(due.chore)
                }

                fn work(&mut self, part: u32) -> Result<()> {
                    let is_broken = BROKEN.lock().is_ok_and(|it| it.contains(&part));
                    ensure!(!is_broken, Error::message("the tool is broken"));
                    self.count += $count;
                    Ok(())
                }
            }
        }
    };
}

chores!(earlier, 1);
chores!(later, 10);

use earlier::{BeginChore, Chore, ExtendChore, WorkOn};

fn add(part: u32) {
    BROKEN.lock().expect("no panic").insert(part);
}

fn remove(part: u32) {
    BROKEN.lock().expect("no panic").remove(&part);
}

/// A clock that is moved by hand.
#[derive(Clone, Default)]
struct Hours(Arc<AtomicU64>);

impl Hours {
    fn pass(&self, count: u64) {
        self.0.fetch_add(count, Ordering::SeqCst);
    }

    fn of(&self, builder: Builder) -> Builder {
        let hours = self.0.clone();
        builder.retry_for(Duration::ZERO).clock(move || {
            let hours = u32::try_from(hours.load(Ordering::SeqCst)).expect("few");
            Timestamp::now() + hours * HOUR
        })
    }
}

async fn find(app: &Dispatcher, chore: u32) -> Process<Chore> {
    let found = app.process::<Chore>(&chore).await.expect("reads");
    found.expect("it has begun")
}

async fn due(app: &Dispatcher) -> usize {
    let names = names(app).await;
    names.iter().filter(|name| *name == "chore-due").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_whose_event_is_skipped_is_over() {
    let hours = Hours::default();
    on_each_with(
        earlier::module(),
        |builder| hours.of(builder),
        async |app| {
            let subscriptions = app.subscriptions();
            for (chore, is_extended) in [(1, false), (2, true)] {
                add(chore);
                let begun = app.execute(BeginChore { chore }).await;
                begun.expect("begins");
                idle(&app).await;
                hours.pass(2);
                until_parked(&app, "chores", 1).await;
                let parked = subscriptions.parked("chores").await.expect("reads");
                if is_extended {
                    let extended = app.execute(ExtendChore { chore }).await;
                    extended.expect("is left out");
                }
                let skipped = subscriptions.skip("chores", parked[0].first, "nobody waits");
                skipped.await.expect("skips");
                idle(&app).await;
                let found = find(&app, chore).await;
                assert_eq!(found.deadlines, []);
                assert_eq!(found.state.count, 1);
                hours.pass(4);
                idle(&app).await;
                assert_eq!(due(&app).await, usize::try_from(chore).expect("few"));
            }
            assert!(app.health().is_ok(), "{:?}", app.health());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_skipped_is_not_folded_again() {
    on_each_with(
        earlier::module(),
        |builder| builder.retry_for(Duration::ZERO),
        async |app| {
            let (chore, part) = (3, 30);
            add(part);
            app.execute(BeginChore { chore }).await.expect("begins");
            let worked = app.execute(WorkOn { chore, part }).await;
            let worked = worked.expect("is recorded").last();
            until_parked_at(&app, "chores", worked).await;
            let subscriptions = app.subscriptions();
            let skipped = subscriptions.skip("chores", worked, "no tool");
            skipped.await.expect("skips");
            let again = WorkOn { chore, part: 31 };
            app.execute(again).await.expect("works");
            idle(&app).await;
            assert_eq!(find(&app, chore).await.state.count, 2);

            let changed = Dispatcher::builder()
                .module(later::module())
                .retry_for(Duration::ZERO)
                .stores_of(&app);
            let changed = changed.build().await.expect("builds");
            let shown = changed.process::<later::Chore>(&chore).await;
            let shown = shown.expect("it is folded").expect("it has begun");
            assert_eq!(shown.state.count, 20);
            app.shutdown(super::LIMIT).await.expect("ends");
            let again = later::WorkOn { chore, part: 32 };
            changed.execute(again).await.expect("works");
            idle(&changed).await;
            assert!(changed.health().is_ok(), "{:?}", changed.health());
            let after = changed.process::<later::Chore>(&chore).await;
            let after = after.expect("reads").expect("it has begun");
            assert_eq!(after.state.count, 30);
        },
    )
    .await;
}

/// A command that was sent before fails later, so that the instance is parked at the event of that.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_stays_skipped_when_its_instance_is_parked_before_it() {
    on_each_with(
        earlier::module(),
        |builder| builder.retry_for(Duration::ZERO),
        async |app| {
            BROUGHT.send_replace(None);
            let (chore, part) = (WITH_TOOL, 1_000);
            add(part);
            let begun = app.execute(BeginChore { chore }).await;
            let begun = begun.expect("begins").last();
            let worked = app.execute(WorkOn { chore, part }).await;
            let worked = worked.expect("is recorded").last();
            until_parked_at(&app, "chores", worked).await;
            let subscriptions = app.subscriptions();
            let skipped = subscriptions.skip("chores", worked, "no tool");
            skipped.await.expect("skips");
            until_parked(&app, "chores", 0).await;
            BROUGHT.send_replace(Some(false));
            until_parked_at(&app, "chores", begun).await;

            remove(part);
            BROUGHT.send_replace(Some(true));
            let released = subscriptions.release("chores", chore).await;
            released.expect("releases");
            idle(&app).await;
            assert_eq!(find(&app, chore).await.state.count, 1);
            let rewound = subscriptions.rewind("chores", Position::START).await;
            rewound.expect("moves back");
            idle(&app).await;
            let found = find(&app, chore).await;
            assert_eq!(found.state.count, 1);
            assert_eq!(found.commands, []);
            let names = names(&app).await;
            let brought = names.iter().filter(|name| *name == "tool-brought");
            assert_eq!(brought.count(), 1);
            let again = WorkOn { chore, part: 1_001 };
            app.execute(again).await.expect("works");
            idle(&app).await;
            assert_eq!(find(&app, chore).await.state.count, 2);
            assert!(app.health().is_ok(), "{:?}", app.health());
        },
    )
    .await;
}
