//! Who may send, ask and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cqrs_core::prelude::*;
use cqrs_core::{Authorizer, HeldPermissions, Request};

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
    fn authorize(&self, request: &Request<'_>) -> Result<(), String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        HeldPermissions.authorize(request)
    }
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
        assert!(matches!(outcome, Err(QueryError::Invalid(_))));
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
