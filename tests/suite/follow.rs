//! Projections and reactions: in order, exactly or at least once, across restarts and failures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cqrs_core::app::Builder;
use cqrs_core::error::Invalid;
use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;
use tokio::sync::mpsc;

use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Deposit {
    #[id(Account)]
    pub account: u32,
    pub cents: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "money-deposited", version = 1)]
pub struct MoneyDeposited {
    #[id(Account)]
    pub account: u32,
    pub cents: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Close {
    #[id(Account)]
    pub account: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bank-account-closed", version = 1)]
pub struct BankAccountClosed {
    #[id(Account)]
    pub account: u32,
}

#[command_handler]
fn deposit(Deposit { account, cents }: Deposit) -> MoneyDeposited {
    MoneyDeposited { account, cents }
}

#[command_handler]
fn close(Close { account }: Close) -> BankAccountClosed {
    BankAccountClosed { account }
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    #[key]
    pub account: u32,
    #[index]
    pub cents: u64,
    pub deposits: u32,
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Total {
    #[key]
    key: u8,
    cents: u64,
    last: Position,
}

pub struct Balances;

/// Two read models in one projection, a sync and an async fold.
#[projection(name = "balances", version = 1)]
impl Balances {
    #[on]
    async fn deposited(
        event: &MoneyDeposited,
        balances: &mut Views<Balance>,
        recorded: &Recorded,
        totals: &mut Views<Total>,
    ) -> Result<()> {
        let account = event.account;
        let mut balance = balances.get(&account)?.unwrap_or(Balance {
            account,
            cents: 0,
            deposits: 0,
        });
        tokio::task::yield_now().await;
        balance.cents += event.cents;
        balance.deposits += 1;
        balances.put(balance);
        let mut total = totals.get(&0)?.unwrap_or(Total {
            key: 0,
            cents: 0,
            last: Position::START,
        });
        total.cents += event.cents;
        // In order, each once: a position that was seen before would be an error.
        if recorded.position <= total.last {
            return Err(Error::message(format!("{} again", recorded.position)));
        }
        total.last = recorded.position;
        totals.put(total);
        Ok(())
    }

    #[on]
    fn closed(event: &BankAccountClosed, balances: &mut Views<Balance>) {
        balances.delete(&event.account);
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<Balance>)]
pub struct BalanceOf {
    pub account: u32,
}

#[query_handler]
async fn balance_of(query: BalanceOf, balances: Read<Balance>) -> Result<Option<Balance>> {
    balances.get(&query.account).await
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = (u64, Vec<u32>))]
pub struct Richest {
    pub at_least: u64,
    pub take: u64,
}

#[query_handler]
async fn richest(
    query: Richest,
    balances: Read<Balance>,
    totals: Read<Total>,
) -> Result<(u64, Vec<u32>)> {
    let found = balances.find().range(Balance::CENTS, query.at_least..);
    let found = found
        .order_by(Balance::CENTS)
        .descending()
        .take(query.take)
        .all()
        .await?;
    let total = totals.get(&0).await?.map_or(0, |total| total.cents);
    Ok((
        total,
        found.into_iter().map(|balance| balance.account).collect(),
    ))
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = cqrs_core::views::Page<Balance>)]
pub struct OddAccounts {
    skip: u64,
    take: u64,
}

impl cqrs_core::Validate for OddAccounts {
    fn validate(&self) -> Result<(), Invalid> {
        if self.take > 100 {
            return Err(Invalid::field("take", "at most 100"));
        }
        Ok(())
    }
}

#[query_handler]
async fn odd_accounts(
    query: OddAccounts,
    balances: Read<Balance>,
) -> Result<cqrs_core::views::Page<Balance>> {
    let odd = balances.find().filter(|balance| balance.account % 2 == 1);
    odd.skip(query.skip).take(query.take).page().await
}

#[tokio::test]
async fn read_models_are_found_sorted_and_paged() {
    on_each_with(module(), quiet, |app| async move {
        let session = app.session();
        for account in 1..=20 {
            let cents = u64::from(account) * 10;
            session
                .execute(Deposit { account, cents })
                .await
                .expect("deposits");
        }
        session
            .execute(Close { account: 19 })
            .await
            .expect("closes");
        let (total, richest) = session
            .query(Richest {
                at_least: 100,
                take: 3,
            })
            .await
            .expect("answers");
        assert_eq!((total, richest), (2100, vec![20, 18, 17]));
        let page = session
            .query(OddAccounts { skip: 2, take: 3 })
            .await
            .expect("answers");
        let accounts: Vec<u32> = page.items.iter().map(|balance| balance.account).collect();
        // Sorted by key, which is text: 1, 11, 13, 15, 17, 3, 5, 7, 9.
        assert_eq!((accounts, page.total), (vec![13, 15, 17], 9));
        let error = session
            .query(OddAccounts { skip: 0, take: 101 })
            .await
            .expect_err("refused");
        assert_eq!(error.to_string(), "invalid query: `take`: at most 100");
        assert_eq!(
            session
                .query(BalanceOf { account: 19 })
                .await
                .expect("answers"),
            None
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_event_is_folded_once_however_often_the_dispatcher_restarts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    for round in 1..=10 {
        // Two dispatchers on one file, each with the same projection.
        let apps = [open(&path).await, open(&path).await];
        let receipts = crate::support::race(16, |number| {
            let app = apps[number % 2].clone();
            async move {
                app.execute(Deposit {
                    account: 1,
                    cents: 1,
                })
                .await
                .expect("deposits")
            }
        })
        .await;
        let last = receipts.iter().map(Receipt::last).max().expect("receipts");
        for app in &apps {
            let query = app.query(BalanceOf { account: 1 }).after_position(last);
            let balance = query.await.expect("answers").expect("is there");
            assert_eq!(
                (balance.cents, balance.deposits),
                (round * 16, u32::try_from(round * 16).expect("few"))
            );
        }
        // Dropped while the projections may be at work.
        let app = &apps[0];
        app.execute(Deposit {
            account: 2,
            cents: 1,
        })
        .await
        .expect("deposits");
    }
    let app = open(&path).await;
    let (total, _) = app
        .query(Richest {
            at_least: 0,
            take: 1,
        })
        .after_position(Position::new(170))
        .await
        .expect("answers");
    assert_eq!(total, 170);
    assert!(app.health().is_ok(), "{:?}", app.health());
}

/// Hands what a reaction saw to the test.
pub struct Seen(mpsc::UnboundedSender<(u64, u32)>);

/// Makes the reaction fail.
#[derive(Default)]
pub struct Fault {
    times: AtomicU32,
}

#[event_handler]
async fn thank(
    event: MoneyDeposited,
    recorded: &Recorded,
    seen: Service<Seen>,
    fault: Service<Fault>,
) -> Result<()> {
    seen.0.send((recorded.position.get(), event.account))?;
    let left = fault
        .times
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
    match left {
        Ok(_) => Err(Error::message("the post office is closed")),
        Err(_) => Ok(()),
    }
}

#[tokio::test]
async fn a_reaction_sees_every_event_in_order_and_again_after_a_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    let (sender, mut seen) = mpsc::unbounded_channel();
    let fault = Arc::new(Fault::default());
    let app = open_with(&path, sender.clone(), fault.clone()).await;
    app.execute(Deposit {
        account: 7,
        cents: 1,
    })
    .await
    .expect("deposits");
    assert_eq!(seen.recv().await, Some((1, 7)));
    fault.times.store(2, Ordering::SeqCst);
    app.execute(Deposit {
        account: 8,
        cents: 1,
    })
    .await
    .expect("deposits");
    app.execute(Deposit {
        account: 9,
        cents: 1,
    })
    .await
    .expect("deposits");
    for expected in [(2, 8), (2, 8), (2, 8), (3, 9)] {
        assert_eq!(seen.recv().await, Some(expected));
    }
    // The checkpoint of the last reaction may or may not be written when the dispatcher is dropped:
    // at least once. Events below the checkpoint do not come again.
    let wait = app.health();
    drop((app, wait));
    let app = open_with(&path, sender, fault).await;
    app.execute(Deposit {
        account: 10,
        cents: 1,
    })
    .await
    .expect("deposits");
    let mut next = seen.recv().await;
    if next == Some((3, 9)) {
        next = seen.recv().await;
    }
    assert_eq!(next, Some((4, 10)));
}

#[derive(Default)]
pub struct Account;

#[aggregate(id = u32)]
impl Account {
    #[apply]
    fn deposited(&mut self, _: &MoneyDeposited) {}
}

/// With the services that this module's reaction takes.
pub fn quiet(builder: Builder) -> Builder {
    let (sender, receiver) = mpsc::unbounded_channel();
    // Kept open for the life of the process: nothing listens, nothing fails.
    std::mem::forget(receiver);
    builder
        .provide(Arc::new(Seen(sender)))
        .provide(Arc::new(Fault::default()))
}

async fn open(path: &Path) -> Dispatcher {
    let sqlite = Sqlite::open(path).await.expect("opens");
    let builder = Dispatcher::builder().module(module()).store(sqlite);
    quiet(builder).build().await.expect("builds")
}

async fn open_with(
    path: &Path,
    seen: mpsc::UnboundedSender<(u64, u32)>,
    fault: Arc<Fault>,
) -> Dispatcher {
    let sqlite = Sqlite::open(path).await.expect("opens");
    let builder = Dispatcher::builder().module(module()).store(sqlite);
    builder
        .provide(Arc::new(Seen(seen)))
        .provide(fault)
        .build()
        .await
        .expect("builds")
}
