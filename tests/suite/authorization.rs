//! Who may send, ask and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cqrs_core::app::AccessRequest;
use cqrs_core::app::BuildError;
use cqrs_core::app::Builder;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, Tag};
use cqrs_core::{Authorizer, HeldPermissions};

use crate::support::stores::on_each_with;

mod vault {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "vault:open")]
    pub struct OpenVault {
        pub combination: String,
    }

    impl Validate for OpenVault {
        fn validate(&self) -> Result<(), Invalid> {
            ensure!(self.combination.len() == 4, Invalid::new("four digits"));
            Ok(())
        }
    }

    #[command_handler]
    fn open(_: OpenVault) {}

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32, permission = "vault:look")]
    pub struct CountCoins {
        pub metal: String,
    }

    #[query_handler]
    fn count(_: CountCoins) -> u32 {
        7
    }
}

/// Counts how often it is asked.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU32>);

impl Authorizer for Counting {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        HeldPermissions.authorize(request)
    }
}

/// Whether the authorizer has refused a query.
fn is_denied<T>(outcome: Result<T, QueryError>) -> bool {
    outcome.is_err_and(|error| matches!(error.kind(), QueryErrorKind::Denied(_)))
}

#[tokio::test]
async fn nothing_of_a_message_is_looked_at_before_its_sender_is_let_in() {
    let counting = Counting::default();
    let app = Dispatcher::builder()
        .module(vault::module())
        .store(Memory::new());
    let app = app.max_message(64).authorizer(counting.clone());
    let app = app.build().await.expect("builds");
    let too_long = format!(r#"{{"combination": "{}"}}"#, "7".repeat(64));
    let bodies: [&[u8]; 5] = [
        b"{}",
        b"no JSON",
        br#"{"combination": 7}"#,
        br#"{"combination": "12345"}"#,
        too_long.as_bytes(),
    ];
    let denied = "bob may not send `OpenVault`: it needs the permission `vault:open`";
    for body in bodies {
        let bob = Actor::new("bob");
        let outcome = app.execute_json("OpenVault", body).actor(bob).await;
        assert_eq!(outcome.expect_err("is denied").to_string(), denied);
        let anne = Actor::new("anne").with("vault:open");
        let outcome = app.execute_json("OpenVault", body).actor(anne).await;
        assert!(matches!(outcome, Err(CommandError::Invalid(_))));
    }
    let denied = "bob may not send `CountCoins`: it needs the permission `vault:look`";
    let bodies: [&[u8]; 3] = [b"{}", b"no JSON", br#"{"metal": 7}"#];
    for body in bodies {
        let bob = Actor::new("bob");
        let outcome = app.query_json("CountCoins", body).actor(bob).await;
        assert_eq!(outcome.expect_err("is denied").to_string(), denied);
        let anne = Actor::new("anne").with("vault:look");
        let outcome = app.query_json("CountCoins", body).actor(anne).await;
        let invalid = outcome.expect_err("is no object");
        assert!(matches!(invalid.kind(), QueryErrorKind::Invalid(_)));
    }
    let command = vault::OpenVault {
        combination: "12345".into(),
    };
    let outcome = app.execute(command).actor(Actor::new("bob")).await;
    assert!(matches!(outcome, Err(CommandError::Denied(_))));
    assert_eq!(counting.0.load(Ordering::SeqCst), 17, "once per message");
}

#[tokio::test]
async fn a_message_that_is_let_in_by_json_is_asked_for_once() {
    let counting = Counting::default();
    let app = Dispatcher::builder()
        .module(vault::module())
        .store(Memory::new());
    let app = app.authorizer(counting.clone());
    let app = app.build().await.expect("builds");
    let anne = Actor::new("anne").with("vault:open").with("vault:look");
    let sent = app.execute_json("OpenVault", br#"{"combination": "1234"}"#);
    sent.actor(anne.clone()).await.expect("is let in");
    let asked = app.query_json("CountCoins", br#"{"metal": "gold"}"#);
    assert_eq!(asked.actor(anne).await.expect("is let in"), 7);
    assert_eq!(counting.0.load(Ordering::SeqCst), 2);
}

mod ledger {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Deposit {
        #[id(Account)]
        pub account: u32,
        pub cents: u64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "deposited", version = 1)]
    pub struct Deposited {
        #[id(Account)]
        pub account: u32,
        pub cents: u64,
    }

    #[derive(Debug, Default)]
    pub struct Account {
        pub cents: u64,
    }

    #[aggregate(id = u32, permission = "account:read")]
    impl Account {
        #[apply]
        fn deposited(&mut self, event: &Deposited) {
            self.cents += event.cents;
        }
    }

    #[command_handler]
    fn deposit(cmd: Deposit, _: &Account) -> Deposited {
        let Deposit { account, cents } = cmd;
        Deposited { account, cents }
    }
}

#[tokio::test]
async fn state_history_and_log_are_read_by_those_who_may() {
    let guarded = |builder: Builder| {
        let builder = builder.authorizer(HeldPermissions);
        builder.log_permission("log:read")
    };
    on_each_with(ledger::module(), guarded, |app| async move {
        let (account, cents) = (1, 7);
        let deposit = ledger::Deposit { account, cents };
        app.execute(deposit).await.expect("a handler needs nothing");
        let clerk = || Actor::new("anne").with("account:read");
        let auditor = || Actor::new("bob").with("log:read");

        let state = app.state::<ledger::Account>(&1);
        let state = state.actor(clerk()).await.expect("may");
        assert_eq!(state.cents, 7);
        let history = app.history::<ledger::Account>(&1).actor(clerk());
        assert_eq!(history.all().await.expect("may").len(), 1);
        let events = app.events(EventQuery::All).actor(auditor());
        assert_eq!(events.all().await.expect("may").len(), 1);

        let account = "may not read `account`: it needs the permission `account:read`";
        let log = "may not read `events`: it needs the permission `log:read`";
        let state = app.state::<ledger::Account>(&1);
        let denied = state.actor(auditor()).await.expect_err("may not");
        assert_eq!(denied.to_string(), format!("bob {account}"));
        let history = app.history::<ledger::Account>(&1).actor(auditor());
        let denied = history.stream().err().expect("may not");
        assert_eq!(denied.to_string(), format!("bob {account}"));
        let events = app.events(EventQuery::All).actor(clerk());
        let denied = events.all().await.expect_err("may not");
        assert_eq!(denied.to_string(), format!("anne {log}"));
        // The events of one aggregate are no way around.
        let tag = Tag::of::<ledger::Account>(&1);
        let tagged = app.events(EventQuery::tagged(tag)).actor(clerk());
        assert!(is_denied(tagged.all().await));

        // Without an actor.
        let state = app.state::<ledger::Account>(&1).at(Position::START);
        let denied = state.await.expect_err("may not");
        assert_eq!(denied.to_string(), format!("an unknown actor {account}"));
        let history = app.history::<ledger::Account>(&1).all().await;
        assert!(is_denied(history));
        let events = app.events(EventQuery::All).all().await;
        assert!(is_denied(events));
    })
    .await;
}

#[tokio::test]
async fn what_is_guarded_has_an_authorizer_and_no_other_way_out() {
    let builder = || {
        let builder = Dispatcher::builder().module(ledger::module());
        builder.store(Memory::new())
    };
    let headlines = async |builder: Builder| -> Vec<String> {
        let error = builder.build().await.err().expect("is not whole");
        let BuildError::Wiring(problems) = error else {
            panic!("{error}");
        };
        problems.into_iter().map(|problem| problem.what).collect()
    };
    let nobody_asked = "reading history needs permissions, but the dispatcher has no authorizer";
    let way_out = "aggregates name permissions, but the log, which has their events, needs none";
    assert_eq!(headlines(builder()).await, [nobody_asked, way_out]);
    let asked = builder().authorizer(AllowAll);
    assert_eq!(headlines(asked).await, [way_out]);
    let named = builder().log_permission("log:read");
    assert_eq!(named.model().log_permission, Some("log:read"));
    assert_eq!(headlines(named).await, [nobody_asked]);
}

#[tokio::test]
async fn what_names_no_permission_is_read_by_everybody() {
    let app = Dispatcher::builder()
        .module(vault::module())
        .authorizer(HeldPermissions)
        .store(Memory::new());
    let app = app.build().await.expect("builds");
    let events = app.events(EventQuery::All).all().await;
    assert_eq!(events.expect("may").len(), 0);
}

/// A session has no way to read state, history or log: those are asked of the dispatcher, which does
/// not take the session's actor for granted.
#[tokio::test]
async fn a_session_is_let_in_as_its_actor_and_opens_nothing_for_others() {
    let with_vault = |builder: Builder| {
        let builder = builder.module(vault::module());
        builder
            .authorizer(HeldPermissions)
            .log_permission("log:read")
    };
    on_each_with(ledger::module(), with_vault, |app| async move {
        let open = || vault::OpenVault {
            combination: "1234".to_owned(),
        };
        let look = || vault::CountCoins {
            metal: "gold".to_owned(),
        };
        let held = ["vault:open", "vault:look", "account:read", "log:read"];
        let owner = held.into_iter().fold(Actor::new("anne"), Actor::with);
        let session = app.session().actor(owner);
        let receipt = session.execute(open()).await.expect("may");
        assert_eq!(session.query(look()).await.expect("may"), 7);
        assert_eq!(session.position(), receipt.last());

        let visitor = app.session().actor(Actor::new("bob"));
        let denied = visitor.execute(open()).await.expect_err("may not");
        let text = "bob may not send `OpenVault`: it needs the permission `vault:open`";
        assert_eq!(denied.to_string(), text);
        // A known id is no way to its receipt.
        let denied = visitor.execute(open()).id(receipt.command()).await;
        assert!(matches!(denied, Err(CommandError::Denied(_))));
        let denied = visitor.query(look()).await;
        assert!(is_denied(denied));
        let nobody = app.session().after_position(session.position());
        let denied = nobody.query(look()).await;
        assert!(is_denied(denied));

        // While a session of one who may read is open.
        let state = app.state::<ledger::Account>(&1).await;
        assert!(is_denied(state));
        let history = app.history::<ledger::Account>(&1).all().await;
        assert!(is_denied(history));
        let events = app.events(EventQuery::All).all().await;
        assert!(is_denied(events));
    })
    .await;
}
