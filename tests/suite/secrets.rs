//! What must not be printed: neither by `Debug`, nor in an error.

use std::sync::Arc;

use cqrs_core::HeldPermissions;
use cqrs_core::prelude::*;
use cqrs_core::store::EventLogExt;

const SECRET: &str = "hunter2";

mod vault {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    /// A service that prints what it has, as a derive makes it.
    #[derive(Debug)]
    pub struct Smtp {
        #[expect(dead_code, reason = "there to be printed")]
        pub password: String,
    }

    #[derive(Debug)]
    pub struct Unused {
        #[expect(dead_code, reason = "there to be printed")]
        pub password: String,
    }

    #[derive(Command, Clone, Debug, Serialize, Deserialize)]
    #[command(permission = "vault:open")]
    pub struct OpenVault {
        pub combination: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "vault-opened", version = 1)]
    pub struct VaultOpened {
        pub combination: String,
    }

    #[command_handler]
    fn open(cmd: OpenVault, _smtp: Service<Smtp>) -> Result<VaultOpened, CommandError<Rejected>> {
        let OpenVault { combination } = cmd;
        ensure!(
            combination.len() > 3,
            CommandError::Rejected("too short".into())
        );
        ensure!(
            combination.len() < 9,
            CommandError::failed(Error::message("the lock jams"))
        );
        Ok(VaultOpened { combination })
    }

    #[event_handler(name = "secrets-vault-opened", start = "origin")]
    fn opened(_: VaultOpened) -> Result<()> {
        Err(Error::message("nobody may know"))
    }
}

#[tokio::test]
async fn no_debug_and_no_error_has_a_secret() {
    let password = || SECRET.to_owned();
    let mut printed = Vec::new();
    let builder = || Dispatcher::builder().module(vault::module());
    let unused = Arc::new(vault::Unused {
        password: password(),
    });
    let incomplete = builder().provide(unused.clone()).build().await;
    printed.push(format!("{:?}", incomplete.err().expect("is not whole")));

    let smtp = Arc::new(vault::Smtp {
        password: password(),
    });
    let app = builder().provide(unused).provide(smtp);
    let app = app.store(Memory::new()).authorizer(HeldPermissions);
    let app = app.build().await.expect("builds");
    printed.push(format!("{:?}", app.model()));

    let holder = Actor::new("anne").with("vault:open");
    let other = Actor::new("bob").with(SECRET);
    for (combination, actor) in [
        (password(), &holder),
        (password(), &other),
        (SECRET[..3].to_owned(), &holder),
        (SECRET.repeat(2), &holder),
    ] {
        let json = format!(r#"{{"combination": "{combination}"}}"#);
        let sent = app.execute_json("OpenVault", json.as_bytes());
        printed.push(format!("{:?}", sent.actor(actor.clone()).await));
        let command = vault::OpenVault { combination };
        let sent = app.execute(command).actor(actor.clone()).await;
        printed.push(format!("{sent:?}"));
    }
    while app.health().is_ok() {
        tokio::task::yield_now().await;
    }
    printed.push(format!("{:?}", app.health()));
    printed.push(format!("{:?}", app.log().head().await));

    let kinds = [
        "too short",
        "the lock jams",
        "may not send",
        "nobody may know",
    ];
    for kind in kinds {
        let is_printed = printed.iter().any(|it| it.contains(kind));
        assert!(is_printed, "no {kind} in {printed:#?}");
    }
    for it in printed {
        assert!(!it.contains(&SECRET[..4]), "{it}");
    }
}

#[test]
fn the_url_of_a_database_is_not_printed() {
    let urls = [
        format!("postgres://anne:{SECRET}@localhost:1/none"),
        format!("Postgres://anne:{SECRET}@localhost:1/none?connect_timeout=no"),
        format!("host=localhost port=none password={SECRET}"),
    ];
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("is built");
    for url in urls {
        let options = cqrs_postgres::Postgres::options().read_url(&url);
        let shown = format!("{options:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        let refused = runtime.block_on(cqrs_postgres::Postgres::connect(&url));
        let error = refused.expect_err("there is no such server");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
