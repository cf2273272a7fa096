//! Given, when, then: for decisions with matchers and metadata, for projections, for reactions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use cqrs_core::prelude::*;
use cqrs_core::testing::{given, projection, reaction};

cqrs_core::module!();

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[command(error = Refused)]
pub struct Pay {
    #[id(Wallet)]
    pub wallet: u32,
    pub cents: i64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("only {left} are left")]
    TooPoor { left: i64 },
    #[error("not enough to be worth it")]
    TooLittle,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "wallet-charged", version = 1)]
pub struct Charged {
    #[id(Wallet)]
    pub wallet: u32,
    pub cents: i64,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "wallet-emptied", version = 1)]
pub struct Emptied {
    #[id(Wallet)]
    pub wallet: u32,
}

#[derive(Default)]
pub struct Wallet {
    cents: i64,
}

#[aggregate(id = u32)]
impl Wallet {
    #[apply]
    fn charged(&mut self, event: &Charged) {
        self.cents += event.cents;
    }
}

#[command_handler]
fn pay(Pay { wallet, cents }: Pay, state: &Wallet) -> Result<(Charged, Option<Emptied>), Refused> {
    ensure!(cents != 0, Refused::TooLittle);
    let left = state.cents + cents;
    ensure!(left >= 0, Refused::TooPoor { left: state.cents });
    let emptied = (left == 0).then_some(Emptied { wallet });
    Ok((Charged { wallet, cents }, emptied))
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalletView {
    #[key]
    pub wallet: u32,
    pub cents: i64,
    pub charged_by: Option<String>,
}

pub struct Wallets;

#[projection(name = "wallets", version = 1)]
impl Wallets {
    #[on]
    fn charged(event: &Charged, recorded: &Recorded, views: &mut Views<WalletView>) -> Result<()> {
        if event.cents == 13 {
            return Err(Error::message("no luck"));
        }
        let cents = views.get(&event.wallet)?.map_or(0, |view| view.cents);
        views.put(WalletView {
            wallet: event.wallet,
            cents: cents + event.cents,
            charged_by: recorded.meta.actor.clone(),
        });
        Ok(())
    }

    #[on]
    fn emptied(event: &Emptied, views: &mut Views<WalletView>) {
        views.delete(&event.wallet);
    }
}

pub trait Bell: Send + Sync {
    fn ring(&self, wallet: u32) -> Result<()>;
}

#[derive(Default)]
struct Rung(Mutex<Vec<u32>>);

impl Bell for Rung {
    fn ring(&self, wallet: u32) -> Result<()> {
        self.0.lock().expect("nobody panics").push(wallet);
        Ok(())
    }
}

struct Broken;

impl Bell for Broken {
    fn ring(&self, _: u32) -> Result<()> {
        Err(Error::message("the bell is broken"))
    }
}

/// Whose wallet is empty gets ten cents, once.
#[event_handler]
async fn refill(event: Emptied, app: &Dispatcher, bell: Service<dyn Bell>) -> Result<()> {
    bell.ring(event.wallet)?;
    let wallet = event.wallet;
    app.execute(Pay { wallet, cents: 10 }).await?;
    let Err(error) = app.execute(Pay { wallet, cents: -25 }).await else {
        return Err(Error::message("the wallet had 25 cents"));
    };
    assert!(error.rejected().is_some());
    Ok(())
}

fn charged(wallet: u32, cents: i64) -> Charged {
    Charged { wallet, cents }
}

fn pays(cents: i64) -> Pay {
    Pay { wallet: 1, cents }
}

/// What a failing test says.
fn failure<T>(test: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(test()))).expect_err("the test fails");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn what_a_command_leads_to_is_matched_by_functions() {
    given(charged(1, 5))
        .when(pays(2))
        .then_event(|event: &Charged| event.cents == 2);
    given(charged(1, 5))
        .when(pays(-5))
        .then_matching(|events| events.len() == 2);
    given(charged(1, 5))
        .when(pays(-6))
        .then_rejected_with(|error| matches!(error, Refused::TooPoor { .. }));
    let outcome = given(()).when(pays(0)).outcome();
    assert!(matches!(
        outcome,
        Err(CommandError::Rejected(Refused::TooLittle))
    ));
}

#[test]
fn a_match_that_fails_shows_what_there_was() {
    let one = || given(()).when(pays(7));
    let two = || given(charged(1, 5)).when(pays(-5));
    let text = failure(|| one().then_event(|event: &Charged| event.cents == 8));
    let shown = "  wallet-charged v1\n    #wallet:1\n    cents: 7\n    wallet: 1\n";
    assert_eq!(
        text,
        format!("the event of `Pay` does not match\n\n{shown}")
    );
    let text = failure(|| one().then_event(|_: &Emptied| true));
    assert_eq!(
        text,
        format!("`Pay` did not lead to one `wallet-emptied`\n\n{shown}")
    );
    let text = failure(|| two().then_matching(<[_]>::is_empty));
    assert!(
        text.contains("cents: -5") && text.contains("wallet-emptied v1"),
        "{text}"
    );
    let text = failure(|| one().then_rejected_with(|_| true));
    assert!(
        text.ends_with("≠ actual | not rejected, but the event `wallet-charged`\n"),
        "{text}"
    );
    let text = failure(|| given(()).when(pays(-1)).then_rejected_with(|_| false));
    assert!(
        text.ends_with("≠ actual | rejected: TooPoor { left: 0 }\n"),
        "{text}"
    );
    let text = failure(|| given(()).when(pays(-1)).events());
    assert_eq!(text, "`Pay`: only 0 are left");
}

#[test]
fn events_of_a_decision_have_command_id_actor_and_time() {
    let id = CommandId::new();
    let time = Timestamp::from_second(1_700_000_000).expect("a time");
    let events = given(charged(1, 5))
        .by(Actor::new("anne"))
        .at(time)
        .id(id)
        .when(pays(-5))
        .events();
    let [charged, emptied] = &events[..] else {
        panic!("{events:?}")
    };
    for event in [charged, emptied] {
        assert_eq!((event.meta.command, event.meta.time), (id, time));
        assert_eq!(event.meta.actor.as_deref(), Some("anne"));
        assert_eq!(event.meta.causation, id.as_uuid());
    }
    assert_eq!(charged.position, Position::new(2));
    assert_eq!(emptied.decode::<Emptied>().expect("decodes").wallet, 1);
}

#[test]
fn a_projection_is_tested_by_its_views() {
    let view = |wallet, cents, by: Option<&str>| WalletView {
        wallet,
        cents,
        charged_by: by.map(str::to_owned),
    };
    let wallets = projection::<Wallets>()
        .given((charged(1, 5), charged(2, 3)))
        .by(Actor::new("anne"))
        .given(charged(1, 4));
    wallets
        .then_view(1, view(1, 9, Some("anne")))
        .then_no_view::<WalletView>(3)
        .then_views([view(1, 9, Some("anne")), view(2, 3, None)]);
    assert_eq!(wallets.view::<WalletView>(2), Some(view(2, 3, None)));
    projection::<Wallets>()
        .given((charged(1, 5), Emptied { wallet: 1 }))
        .then_views::<WalletView>([]);

    let text = failure(|| {
        wallets
            .then_view(1, view(1, 8, Some("anne")))
            .views::<WalletView>()
    });
    assert!(
        text.starts_with("`wallets`: view `1` of `wallet_view` differs\n\n"),
        "{text}"
    );
    assert!(text.contains("≠   cents: 8"), "{text}");
    let text = failure(|| wallets.then_no_view::<WalletView>(1).views::<WalletView>());
    assert!(text.contains("≠ (no view) | 1\n"), "{text}");
    let text = failure(|| {
        projection::<Wallets>()
            .given(charged(1, 13))
            .views::<WalletView>()
    });
    assert!(
        text.contains("no luck") && text.contains("wallet-charged"),
        "{text}"
    );
}

#[tokio::test]
async fn fixtures_run_where_there_is_a_runtime() {
    projection::<Wallets>()
        .given(charged(1, 5))
        .then_no_view::<WalletView>(2);
    let sent = (pays(10), pays(-25));
    let rung = Arc::new(Rung::default());
    let refill = reaction("refill")
        .module(module())
        .provide::<dyn Bell>(rung);
    refill.when(Emptied { wallet: 1 }).then_sent(sent);
}

#[test]
fn a_reaction_is_tested_by_the_commands_that_it_sends() {
    let rung = Arc::new(Rung::default());
    let refill = || reaction("refill").module(module());
    let emptied = || Emptied { wallet: 1 };
    let ringing = || refill().provide::<dyn Bell>(rung.clone());
    ringing()
        .when(emptied())
        .then_sent(vec![pays(10), pays(-25)]);
    assert_eq!(*rung.0.lock().expect("nobody panics"), [1]);
    // Its commands are decided on the given events.
    let rich = ringing().given(charged(1, 50)).when(emptied());
    assert_eq!(rich.sent()[1].decode::<Pay>().expect("decodes"), pays(-25));
    rich.then_error("the wallet had 25 cents");
    let broken = refill().provide::<dyn Bell>(Arc::new(Broken));
    let broken = broken.when(emptied());
    assert!(broken.sent().is_empty());
    broken.then_error("the bell is broken");

    let text = failure(|| ringing().when(emptied()).then_sent(pays(11)));
    assert!(
        text.starts_with("`refill` sent other commands than expected\n\n"),
        "{text}"
    );
    assert!(
        text.contains("≠   cents: 11") && text.contains("≠ (no command)"),
        "{text}"
    );
    let text = failure(|| {
        reaction("refil")
            .module(module())
            .when(emptied())
            .sent()
            .len()
    });
    assert_eq!(
        text,
        "there is no reaction `refil`; the reactions are: `refill`"
    );
}
