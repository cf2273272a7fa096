//! Reports of the writers, compared with the database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use cqrs_core::prelude::*;
use cqrs_core::store::{EventLogExt, EventQuery, Shard, StateKey, Store};
use cqrs_sqlite::Sqlite;
use tokio::runtime::Runtime;

use super::domain::{self, AllTakings, Journal, LineSold, Sell, Takings, Till};
use super::process::Said;

/// The checkpoint of the domain's projection.
const SUBSCRIPTION: &str = "projection:takings:1";

/// A till as the store has it.
#[derive(Deserialize)]
struct KeptTill {
    state: Till,
}

#[derive(Default)]
pub struct Ledger {
    /// Acknowledged: first and last position, number of events.
    done: HashMap<CommandId, (Position, Position, u64)>,
    /// Sent and never answered.
    open: HashSet<CommandId>,
    /// What someone saw.
    seen: Position,
    /// The checked part of the log: everything up to `head`.
    found: HashMap<CommandId, (Position, Position, u64)>,
    head: Position,
    time: Timestamp,
    journals: BTreeMap<u32, Takings>,
    /// Those that were written to since they were compared.
    touched: BTreeSet<u32>,
    tills: BTreeMap<u8, Till>,
    /// How many were done though the answer never came.
    pub unanswered: usize,
}

impl Ledger {
    pub fn note(&mut self, said: impl IntoIterator<Item = Said>) {
        for said in said {
            match said {
                Said::Opening => {}
                Said::Sent(id) => assert!(self.open.insert(id), "ids are fresh"),
                Said::Done(id, first, last, events) => {
                    self.open.remove(&id);
                    self.done.insert(id, (first, last, events));
                }
                Said::Seen(position) => self.seen = self.seen.max(position),
            }
        }
    }

    /// How many commands were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.done.len()
    }

    /// Opens the database as a restart does, and checks that it has everything that was
    /// acknowledged or seen, each command whole and once; that stored states, read model and
    /// checkpoint agree with the log; and that unanswered commands can be sent again. Closes the
    /// database before it returns.
    pub fn check(&mut self, database: &Path) {
        let runtime = Runtime::new().expect("a runtime");
        let store = runtime
            .block_on(Sqlite::open(database))
            .expect("the database opens");
        runtime.block_on(self.compare(&store));
        // With all tasks that may hold the store; what is dropped last closes it, here.
        drop(runtime);
    }

    /// As [`check`](Self::check), of a store that is open and that no other process writes to now.
    pub async fn compare<S: Store + Clone>(&mut self, store: &S) {
        let checkpoint = store
            .checkpoint(&Shard::whole(SUBSCRIPTION))
            .await
            .expect("a checkpoint");
        let checkpoint = checkpoint.map(|found| found.position);
        let head = store.head().await.expect("a head");
        assert!(
            checkpoint <= Some(head),
            "I8: checkpoint {checkpoint:?}, the log ends at {head}"
        );
        assert!(
            head >= self.seen,
            "I7: {} was seen, the log ends at {head}",
            self.seen
        );
        let app = Dispatcher::builder()
            .module(domain::module())
            .store(store.clone());
        let app = app.build().await.expect("the domain is wired");

        self.read(&app).await;
        self.compare_acknowledged(&app).await;
        self.compare_states(&app).await;
        self.send_again(&app).await;
        self.read(&app).await;
        self.compare_states(&app).await;
        let takings = app.query(AllTakings {}).after_position(self.head).await;
        let takings = takings.expect("the read model has caught up");
        let mut expected: Vec<_> = self.journals.values().cloned().collect();
        expected.sort_by_key(|takings| takings.journal.to_string());
        assert_eq!(takings, expected, "the read model has every event once");
        assert!(app.health().is_ok(), "{:?}", app.health());
    }

    /// Checks the new events in the log.
    async fn read(&mut self, app: &Dispatcher) {
        let events = app
            .events(EventQuery::All)
            .after(self.head)
            .all()
            .await
            .expect("a log");
        for sale in events.chunk_by(|a, b| a.meta.command == b.meta.command) {
            let (id, first) = (sale[0].meta.command, self.head.plus(1));
            let expected = Sell::of(id);
            assert_eq!(
                sale.len(),
                expected.lines as usize,
                "I1: half a command at {first}"
            );
            for (event, line) in sale.iter().zip(1..) {
                self.head = self.head.plus(1);
                assert_eq!(event.position, self.head, "I3: contiguous");
                assert!(event.meta.time >= self.time, "times never decrease");
                self.time = event.meta.time;
                let sold: LineSold = event.decode().expect("a line");
                let Sell {
                    till,
                    journal,
                    lines: of,
                    cents,
                } = expected;
                let entry = self.journals.get(&journal).map_or(0, |it| it.lines) + 1;
                let expected = LineSold {
                    till,
                    journal,
                    entry,
                    line,
                    of,
                    cents,
                };
                assert_eq!(sold, expected, "I2: what was decided on the line before");
                self.add(&sold);
            }
            let count = sale.len() as u64;
            let before = self.found.insert(id, (first, self.head, count));
            assert_eq!(before, None, "I6: {id} was done twice");
        }
    }

    fn add(&mut self, sold: &LineSold) {
        let LineSold {
            journal,
            till,
            cents,
            ..
        } = *sold;
        let last = self.head;
        self.touched.insert(journal);
        let fresh = Takings {
            journal,
            lines: 0,
            cents: 0,
            last,
        };
        let takings = self.journals.entry(journal).or_insert(fresh);
        takings.lines += 1;
        takings.cents += u64::from(cents);
        takings.last = last;
        let till = self.tills.entry(till).or_default();
        till.lines += 1;
        till.cents += u64::from(cents);
    }

    async fn compare_acknowledged(&self, app: &Dispatcher) {
        for (id, (first, last, events)) in &self.done {
            if *events > 0 {
                let found = self.found.get(id);
                assert_eq!(
                    found,
                    Some(&(*first, *last, *events)),
                    "I7: {id} was acknowledged"
                );
            } else {
                let stored = app.log().command(*id).await.expect("commands can be read");
                let stored = stored.expect("I7: a command without events was acknowledged");
                assert_eq!(
                    (stored.first, stored.last, stored.count),
                    (*first, *last, 0)
                );
            }
        }
    }

    async fn compare_states(&mut self, app: &Dispatcher) {
        let ids = 0..domain::TILLS;
        let key = |id: u8| StateKey {
            aggregate: "till",
            id: id.to_string(),
        };
        let stored = app
            .log()
            .capabilities()
            .states
            .expect("it keeps states")
            .states(ids.clone().map(key).collect())
            .await
            .expect("states");
        for (id, stored) in ids.zip(stored) {
            // Not `Till::restore`: the writers have the type under another path, and this process
            // would fold theirs again.
            let stored = stored.map(|it| {
                let body: KeptTill = serde_json::from_slice(&it.body).expect("a till");
                body.state
            });
            assert_eq!(
                stored.as_ref(),
                self.tills.get(&id),
                "I1: the stored till {id}"
            );
        }
        for id in std::mem::take(&mut self.touched) {
            let takings = &self.journals[&id];
            let journal = app.state::<Journal>(&id).await.expect("a journal");
            let expected = Journal {
                entries: takings.lines,
                cents: takings.cents,
            };
            assert_eq!(journal, expected, "found by its tag: journal {id}");
        }
    }

    /// Sends unanswered commands again, and some answered ones: each takes effect once.
    async fn send_again(&mut self, app: &Dispatcher) {
        for id in std::mem::take(&mut self.open) {
            let found = self.found.get(&id).copied();
            let receipt = app
                .execute(Sell::of(id))
                .id(id)
                .await
                .expect("it can be sent again");
            let at = (receipt.first(), receipt.last(), receipt.events());
            if let Some(found) = found {
                assert!(receipt.replayed(), "I6: {id} is in the log");
                assert_eq!(at, found, "I6: {id} is answered as the first time");
                self.unanswered += 1;
            }
            self.done.insert(id, at);
        }
        for (id, at) in self.done.iter().take(5) {
            let receipt = app
                .execute(Sell::of(*id))
                .id(*id)
                .await
                .expect("it can be sent again");
            assert!(receipt.replayed(), "I6: {id} was acknowledged");
            assert_eq!(&(receipt.first(), receipt.last(), receipt.events()), at);
        }
    }

    /// Checks the file as a whole: that SQLite finds it in order, and that tables agree.
    pub fn audit(&self, database: &Path) {
        let connection = rusqlite::Connection::open(database).expect("SQLite opens");
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let check = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, String>(0))
                .expect("a verdict")
        };
        assert_eq!(check("PRAGMA integrity_check"), "ok");
        let count = |sql: &str| u64::try_from(ask(sql).expect("a count")).expect("a count");
        assert_eq!(count("SELECT count(*) FROM events"), self.head.get());
        assert_eq!(
            count("SELECT count(tag) + (SELECT count(*) FROM event_tags) FROM events"),
            2 * self.head.get(),
            "two tags each"
        );
        assert_eq!(
            count("SELECT count(*) FROM commands"),
            self.done.len() as u64
        );
        assert_eq!(
            count("SELECT coalesce(sum(count), 0) FROM commands"),
            self.head.get()
        );
    }
}
