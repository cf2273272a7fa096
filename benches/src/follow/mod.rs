//! The read side: projections that catch up, the time until an event is visible, and a process with
//! nothing to do.

mod divided;
mod floors;
mod history;
mod idle;
mod three;
mod visible;
pub mod watcher;

use std::time::{Duration, Instant};

use cqrs_core::Memory;

use crate::args::Args;
use crate::cargo::{self, Profile};
use crate::digits::grouped;
use crate::goal::Goal;
use crate::load::Outcome;
use crate::measured::Measured;
use crate::postgres::contender::{self, Contender};
use crate::postgres::database::Database;
use crate::postgres::view;
use crate::report::{Report, Row};
use crate::runs::Runs;
use crate::{Result, sqlite};
use history::{Followers, History, Place, catch_up};
use watcher::Work;

/// These take long.
const RUNS: usize = 3;

/// Number of accounts, each of which has many events.
const ACCOUNTS: u32 = 1_000;

const FOLLOWERS: [Followers; 3] = [Followers::One, Followers::Shards(8), Followers::Three];

/// The data that the workloads of this part share.
struct Stage {
    /// Whether to run smaller workloads, as a smoke test.
    quick: bool,
    database: Database,
    cqrs_es: Contender,
    disintegrate: Contender,
    evento: Contender,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Memory,
    Sqlite,
    Postgres,
}

pub fn run(args: &Args, report: &mut Report) -> Result<()> {
    let [cqrs_es, disintegrate, _, evento] = contender::all()?;
    let stage = Stage {
        quick: args.quick,
        database: Database::new()?,
        cqrs_es,
        disintegrate,
        evento,
    };
    let start = Instant::now();
    let said = |what: &str| eprintln!("  {:.0} s: {what} ..", start.elapsed().as_secs_f64());
    for store in [Store::Memory, Store::Sqlite, Store::Postgres] {
        for accounts in [stage.events(), ACCOUNTS] {
            said(&format!("{} with {accounts} accounts", store.label()));
            let history = History {
                events: stage.events(),
                accounts,
            };
            stage.catch_up(store, history, report)?;
        }
    }
    said("visible");
    stage.visible(report)?;
    said("a read model");
    view::run(args.quick, &stage.cqrs_es, &stage.database, report)?;
    said("nothing to do");
    stage.idle(report)?;
    said("done");
    notes(report);
    Ok(())
}

impl Store {
    fn label(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::Sqlite => "on SQLite",
            Self::Postgres => "on PostgreSQL",
        }
    }
}

impl Stage {
    fn events(&self) -> u32 {
        if self.quick { 10_000 } else { 100_000 }
    }

    /// Events of a contender that handles them one by one.
    fn single(&self) -> u32 {
        if self.quick { 500 } else { 4_000 }
    }

    /// Runs with a fresh place of this store.
    fn place<T>(&self, store: Store, run: impl FnOnce(&Place<'_>) -> Result<T>) -> Result<T> {
        match store {
            Store::Memory => run(&Place::Memory(Memory::new())),
            Store::Sqlite => {
                let folder = cargo::scratch()?;
                run(&Place::Sqlite(&folder.path().join("ours.db")))
            }
            Store::Postgres => run(&Place::Postgres(&self.database.fresh()?)),
        }
    }

    fn catch_up(&self, store: Store, history: History, report: &mut Report) -> Result<()> {
        let is_new = history.accounts == history.events;
        let mut ours = FOLLOWERS.map(|_| Runs::default());
        let mut others = match store {
            Store::Memory => Vec::new(),
            Store::Sqlite => self.sqlite_floors(history),
            Store::Postgres => self.postgres_floors(history),
        };
        for _ in 0..RUNS {
            for (followers, runs) in FOLLOWERS.into_iter().zip(&mut ours) {
                runs.push(self.place(store, |place| catch_up(history, followers, place))?);
            }
            for other in &mut others {
                other.runs.push((other.run)()?);
            }
        }
        let one = ours[0].median();
        for Other { goal, runs, .. } in &others {
            if let Some((key, what, times)) = goal.filter(|_| is_new) {
                report.goal(Goal::at_least(key, what, one, times, runs.median()));
            }
        }
        let label = store.label();
        let [events, accounts] =
            [history.events, history.accounts].map(|it| grouped(&it.to_string()));
        let workload = if is_new {
            format!("catch up {label}, {events} events, an account each")
        } else {
            format!("catch up {label}, {events} events, {accounts} accounts")
        };
        let (floor, against) = match others.first() {
            Some(each) => (each.runs.median(), "one by one"),
            None => (one, "one projection"),
        };
        let ours = FOLLOWERS.into_iter().zip(ours);
        for (followers, runs) in ours {
            let who = format!("ours, {}", followers.label());
            let row = Row::new(&workload, &who, "events/s", runs);
            report.row(row.against(against, floor));
        }
        for Other {
            who, unit, runs, ..
        } in others
        {
            report.row(Row::new(&workload, &who, unit, runs).against(against, floor));
        }
        Ok(())
    }

    fn sqlite_floors(&self, history: History) -> Vec<Other<'_>> {
        let (single, accounts) = (self.single(), history.accounts);
        vec![
            Other::new("rusqlite, a transaction per event", "events/s", move || {
                floors::sqlite(single, accounts)
            })
            .goal(
                "follow-sqlite-each",
                "catch-up on SQLite against a transaction per event",
                20.0,
            ),
            Other::new("rusqlite, rows in one commit", "rows/s", move || {
                floors::sqlite_rows(history.events)
            }),
            self.peer(&self.evento, "follow-sqlite", history),
        ]
    }

    fn postgres_floors(&self, history: History) -> Vec<Other<'_>> {
        let (single, accounts) = (self.single(), history.accounts);
        let each =
            move |synced| floors::postgres(single, accounts, synced, &self.database.fresh()?);
        vec![
            Other::new("SQL, a transaction per event", "events/s", move || {
                each(true)
            })
            .goal(
                "follow-pg-each",
                "catch-up on PostgreSQL against a transaction per event",
                80.0,
            ),
            Other::new(
                "SQL, a transaction per event, synchronous_commit=off",
                "events/s",
                move || each(false),
            ),
            Other::new(
                "COPY into the same table, one commit",
                "rows/s",
                move || floors::copy(history.events, &self.database.fresh()?),
            )
            .goal("follow-pg-copy", "catch-up on PostgreSQL against COPY", 0.5),
            self.peer(&self.disintegrate, "follow", history),
            self.peer(&self.cqrs_es, "follow", history),
            self.peer(&self.evento, "follow", history),
        ]
    }

    /// A peer that catches up with a shorter history.
    fn peer<'s>(
        &'s self,
        peer: &'s Contender,
        workload: &'static str,
        history: History,
    ) -> Other<'s> {
        let events = self.single();
        let accounts = history.accounts.min(events);
        Other::new(&peer.label(), "events/s", move || {
            let folder = cargo::scratch()?;
            let call = peer.peer.call(workload);
            let call = match workload {
                "follow-sqlite" => call
                    .on(folder.path().join("peer.db"))
                    .set("CHECKPOINT", sqlite::CHECKPOINT)
                    .set("CACHE", sqlite::CACHE),
                _ => call.on(self.database.fresh()?),
            };
            let call = call.set("EVENTS", events).set("AGGREGATES", accounts);
            call.answer()?.number("per_second")
        })
    }

    fn visible(&self, report: &mut Report) -> Result<()> {
        let commands = if self.quick { 100 } else { 1_000 };
        let folder = cargo::build("", Profile::Release, &["--bin", "watcher"])?;
        let program = folder.join("watcher");
        let mut here = [Store::Memory, Store::Sqlite, Store::Postgres]
            .map(|store| (store, Measured::default()));
        let mut elsewhere = [Work::Folds, Work::Asks].map(|work| (work, Measured::default()));
        for _ in 0..RUNS {
            for (store, measured) in &mut here {
                measured.push(self.place(*store, |place| visible::here(commands, place))?);
            }
            for (work, measured) in &mut elsewhere {
                let url = self.database.fresh()?;
                let outcome: Outcome = visible::elsewhere(commands, *work, &program, &url)?;
                measured.push(outcome);
            }
        }
        let millis = |measured: &Measured| measured.p50.median() / 1e3;
        let what = "p50 until an event is visible in its process, on PostgreSQL";
        report.goal(Goal::at_most(
            "visible",
            what,
            millis(&here[2].1),
            5.0,
            "ms",
        ));
        let what = "p50 until an event is visible in another process";
        let slowest = elsewhere
            .iter()
            .map(|(_, it)| millis(it))
            .fold(0.0, f64::max);
        report.goal(Goal::at_most(
            "visible-elsewhere",
            what,
            slowest,
            50.0,
            "ms",
        ));
        let mut row = |who: &str, it: Measured| {
            let workload = "execute, and wait until it is visible, 1 caller";
            let row = Row::new(workload, who, "commands/s", it.per_second);
            report.row(row.latency(it.p50, it.p99));
        };
        for (store, measured) in here {
            row(
                &format!("ours, {}, in the same process", store.label()),
                measured,
            );
        }
        for (work, measured) in elsewhere {
            let who = match work {
                Work::Folds => {
                    "ours, on PostgreSQL, another process has the projection and watches"
                }
                Work::Asks => {
                    "ours, on PostgreSQL, this process has the projection, another watches"
                }
            };
            row(who, measured);
        }
        Ok(())
    }

    fn idle(&self, report: &mut Report) -> Result<()> {
        let time = Duration::from_secs(if self.quick { 1 } else { 10 });
        let mut runs = Runs::default();
        for _ in 0..RUNS {
            runs.push(idle::rate(time, &self.database.fresh()?)?);
        }
        let what = format!(
            "transactions of a process with {} projections and nothing to do",
            idle::PROJECTIONS
        );
        report.goal(Goal::at_most(
            "idle",
            &what,
            runs.median(),
            5.0,
            "per second",
        ));
        let workload = format!("{} projections, nothing to do", idle::PROJECTIONS);
        report.row(Row::new(
            &workload,
            "ours, on PostgreSQL",
            "transactions/s",
            runs,
        ));
        Ok(())
    }
}

/// A baseline or a peer, which is measured in turn with ours.
struct Other<'s> {
    who: String,
    unit: &'static str,
    run: Box<dyn Fn() -> Result<f64> + 's>,
    /// The key of a goal, its text, and the wanted ratio.
    goal: Option<(&'static str, &'static str, f64)>,
    runs: Runs,
}

impl<'s> Other<'s> {
    fn new(who: &str, unit: &'static str, run: impl Fn() -> Result<f64> + 's) -> Self {
        Self {
            who: who.to_owned(),
            unit,
            run: Box::new(run),
            goal: None,
            runs: Runs::default(),
        }
    }

    fn goal(self, key: &'static str, what: &'static str, times: f64) -> Self {
        Self {
            goal: Some((key, what, times)),
            ..self
        }
    }
}

fn notes(report: &mut Report) {
    report.note(
        "catch up: a log that is full when the process begins, from `build` until every projection is \
         at its end. Each event adds to the balance of its account, which is a row of the read model; \
         with an account each, every row is new. Ours with all defaults: its commits of views do not \
         wait for the disk on PostgreSQL (they can be folded again, and are checked after a crash), and \
         do on SQLite, synchronous=FULL. Three projections: events of the log, each of which is folded \
         three times. By hand: BEGIN, SELECT of the row, upsert, UPDATE of the checkpoint, COMMIT, with \
         synchronous_commit=on unless it says otherwise, statements prepared; COPY and the commit of \
         all rows read no event. Fewer events for those who handle them one by one. disintegrate: a \
         PgEventListener whose handler upserts the row. cqrs-es has no subscriptions: its QueryReplay \
         feeds all events to a GenericQuery; sqlite-es has no repository of views. evento: a \
         subscription that reads all events at once, since it pauses for 300 ms after each read; its handler \
         upserts the row. Memory has no peer with a log that projections follow.",
    );
    report.note(
        "visible: from the return of `execute` to the answer of a query that has the event, by \
         `.after(&receipt)` in the same process, or by `watch` in another one, whose clock is the same.",
    );
    report.note(
        "execute, then the read model: each caller sends a command and then reads the read model, \
         which must have it; ours by `query(..).after(&receipt)`, cqrs-es through the GenericQuery \
         of a PostgresViewRepository, which it updates before a command returns.",
    );
}
