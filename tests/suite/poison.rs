//! Poison: of many events in several shards and two processes, one in a thousand fails for ever, for a while
//! or with a panic, while shards are divided and a process leaves. The events of other ids are handled all
//! the same; and after the fix, every view is as if nothing had failed.

use std::collections::BTreeSet;
use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::ParkedKey;

use crate::support::stores::on_each_twice;

/// Accounts, whose views tell each event and the order in which it was folded.
mod accounts {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Number of accounts, and of events of each.
    pub const ACCOUNTS: u32 = 240;
    pub const ENTRIES: u32 = 50;

    /// Whether the code is the one that does not fail.
    pub static IS_FIXED: AtomicBool = AtomicBool::new(false);

    /// The attempts to fold an event that fails for a while.
    static ATTEMPTS: Mutex<Option<HashMap<(u32, u32), u32>>> = Mutex::new(None);

    pub fn begin() {
        IS_FIXED.store(false, Ordering::SeqCst);
        let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
        *attempts = Some(HashMap::new());
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Poison {
        ForEver,
        ForAWhile,
        Panics,
    }

    /// One event in a thousand, as if at random.
    pub fn poison(account: u32, number: u32) -> Option<Poison> {
        match account * ENTRIES + number {
            event if event % 1000 != 777 => None,
            event if (event / 1000) % 3 == 0 => Some(Poison::ForEver),
            event if (event / 1000) % 3 == 1 => Some(Poison::ForAWhile),
            _ => Some(Poison::Panics),
        }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Book {
        /// Of each account up to this one.
        pub accounts: u32,
        pub number: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "booked", version = 1)]
    pub struct Booked {
        #[id("account")]
        pub account: u32,
        pub number: u32,
    }

    #[command_handler]
    fn book(Book { accounts, number }: Book) -> Vec<Booked> {
        let booked = |account| Booked { account, number };
        (0..accounts).map(booked).collect()
    }

    fn check(event: &Booked) -> Result<()> {
        if IS_FIXED.load(Ordering::SeqCst) {
            return Ok(());
        }
        match poison(event.account, event.number) {
            Some(Poison::ForEver) => Err(Error::message("for ever")),
            Some(Poison::Panics) => panic!("with a panic"),
            Some(Poison::ForAWhile) => {
                let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
                let event = (event.account, event.number);
                let count = attempts.get_or_insert_default().entry(event).or_default();
                *count += 1;
                if *count < 3 {
                    return Err(Error::message("for a while"));
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    #[derive(ReadModel, Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
    pub struct Account {
        #[key]
        pub id: u32,
        /// The events in the order of their folds.
        pub numbers: Vec<u32>,
    }

    #[derive(ReadModel, Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
    pub struct Replayed {
        #[key]
        pub id: u32,
        pub numbers: Vec<u32>,
    }

    pub struct Accounts;

    #[projection(
        name = "accounts",
        version = 1,
        partition = "account",
        on_failure = "park"
    )]
    impl Accounts {
        #[on]
        fn booked(event: &Booked, accounts: &mut Views<Account>) -> Result<()> {
            check(event)?;
            let id = event.account;
            let first = || Account {
                id,
                numbers: vec![event.number],
            };
            accounts.upsert(&id, first, |it| it.numbers.push(event.number))
        }
    }

    /// The same, without failures.
    pub struct Replay;

    #[projection(name = "replay", version = 1)]
    impl Replay {
        #[on]
        fn booked(event: &Booked, accounts: &mut Views<Replayed>) -> Result<()> {
            let id = event.account;
            let first = || Replayed {
                id,
                numbers: vec![event.number],
            };
            accounts.upsert(&id, first, |it| it.numbers.push(event.number))
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = (Vec<Account>, Vec<Replayed>))]
    pub struct AllAccounts;

    #[query_handler]
    async fn all(
        _: AllAccounts,
        accounts: Read<Account>,
        replayed: Read<Replayed>,
    ) -> Result<(Vec<Account>, Vec<Replayed>)> {
        let accounts = accounts.find().take(10_000).all().await?;
        Ok((accounts, replayed.find().take(10_000).all().await?))
    }
}

use accounts::{ACCOUNTS, AllAccounts, Book, ENTRIES, IS_FIXED, Poison, poison};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(120);

async fn parked(app: &Dispatcher) -> Vec<ParkedKey> {
    let parked = app.subscriptions().parked("accounts").await;
    parked.expect("is read")
}

async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F, app: &Dispatcher) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, wait).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", app.health()));
}

async fn run([first, second]: [Builder; 2]) {
    accounts::begin();
    // Long enough for an event that fails twice.
    let retry_for = Duration::from_millis(400);
    let first = first.retry_for(retry_for).build().await.expect("builds");
    let second = second.retry_for(retry_for).build().await.expect("builds");
    let divide = async |app: &Dispatcher, shards| {
        let divided = app.subscriptions().divide("accounts", shards).await;
        divided.expect("is divided");
    };
    divide(&first, 4).await;
    for number in 0..ENTRIES {
        let accounts = ACCOUNTS;
        let booked = second.execute(Book { accounts, number }).await;
        booked.expect("is booked");
        if number == ENTRIES / 2 {
            divide(&second, 7).await;
        }
    }
    // Those that fail for ever or panic: the first of them in each account.
    let events = (0..ACCOUNTS).flat_map(|account| (0..ENTRIES).map(move |it| (account, it)));
    let fails = |(account, number): &(u32, u32)| {
        let poison = poison(*account, *number);
        matches!(poison, Some(Poison::ForEver | Poison::Panics))
    };
    let failing: BTreeSet<String> = events
        .filter(fails)
        .map(|(account, _)| account.to_string())
        .collect();
    assert!(failing.len() >= 4, "{failing:?}");
    until(
        || async { parked(&second).await.len() == failing.len() },
        &second,
    )
    .await;
    let head = second.wait_until_idle(LONG).await.expect("comes to rest");
    let keys: BTreeSet<String> = parked(&second).await.into_iter().map(|it| it.key).collect();
    assert_eq!(keys, failing);

    let answer = second.query(AllAccounts).after_position(head).await;
    let (accounts, replayed) = answer.expect("answers");
    for replayed in &replayed {
        assert_eq!(replayed.numbers.len(), ENTRIES as usize, "{replayed:?}");
        let found = accounts.iter().find(|account| account.id == replayed.id);
        let numbers = found.map(|account| &*account.numbers).unwrap_or_default();
        if failing.contains(&replayed.id.to_string()) {
            let first = |number: &u32| fails(&(replayed.id, *number));
            let first = (0..ENTRIES).find(first).expect("one fails") as usize;
            assert_eq!(numbers, &replayed.numbers[..first], "{}", replayed.id);
        } else {
            assert_eq!(numbers, replayed.numbers, "{}", replayed.id);
        }
    }

    // The fix comes with a process that takes over.
    IS_FIXED.store(true, std::sync::atomic::Ordering::SeqCst);
    let released = second.subscriptions().release_all("accounts").await;
    assert_eq!(released.ok(), Some(failing.len() as u64));
    first.shutdown(LONG).await.expect("shuts down");
    divide(&second, 3).await;
    until(|| async { parked(&second).await.is_empty() }, &second).await;
    let accounts = ACCOUNTS;
    let last = second
        .execute(Book {
            accounts,
            number: ENTRIES,
        })
        .await;
    let answer = second
        .query(AllAccounts)
        .after(&last.expect("is booked"))
        .await;
    let (accounts, replayed) = answer.expect("answers");
    assert_eq!(accounts.len(), ACCOUNTS as usize);
    for (account, replayed) in accounts.iter().zip(&replayed) {
        assert_eq!(
            (account.id, &account.numbers),
            (replayed.id, &replayed.numbers)
        );
    }
    until(|| async { second.health().is_ok() }, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn poison_stops_nothing_but_its_own_id_and_is_handled_after_the_fix() {
    on_each_twice(accounts::module(), run).await;
}
