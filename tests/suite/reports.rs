//! How errors print: what a person sees when `main` returns one.

use cqrs_core::app::BuildError;
use cqrs_core::prelude::*;

/// A module in which three things are wrong.
macro_rules! broken {
    ($name:ident) => {
        mod $name {
            use cqrs_core::prelude::*;

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Sweep {}

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Mop {}

            #[command_handler]
            fn mop(_: Mop, _broom: Service<super::Broom>) {}
        }
    };
}

mod copies {
    cqrs_core::module!();

    pub struct Broom;

    broken!(first);
    broken!(second);
    broken!(third);
    broken!(fourth);
    broken!(fifth);
    broken!(sixth);
}

async fn build_copies() -> Result<()> {
    let app = Dispatcher::builder()
        .module(copies::module())
        .store(Memory::new());
    app.build().await?;
    Ok(())
}

#[tokio::test]
async fn six_broken_copies_of_a_module_are_reported_once() {
    let error = build_copies().await.expect_err("is broken");
    let report = error.to_string();
    let mut headlines: Vec<_> = report
        .split("\n\n")
        .skip(1)
        .filter_map(|problem| problem.lines().next())
        .collect();
    let expected = [
        "6 commands are named `Mop`",
        "6 commands are named `Sweep`",
        "command `Mop` has 6 handlers",
        "command `Sweep` has no handler",
        "no `suite::reports::copies::Broom` was provided, which handlers take as `Service<..>`",
    ];
    headlines.sort_unstable();
    assert_eq!(headlines, expected, "{report}");
    for problem in report.split("\n\n").skip(1) {
        assert_eq!(problem.matches("-->").count(), 6, "{problem}");
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_built_prints_the_report() {
    let error = build_copies().await.expect_err("is broken");
    assert!(error.to_string().starts_with("the wiring has 5 problems\n"));
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = error.downcast_ref::<BuildError>().expect("is kept");
    assert_eq!(format!("{error:?}"), error.to_string());
}

mod oven {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Debug, thiserror::Error)]
    #[error("the oven is cold")]
    pub struct Cold(#[source] pub std::io::Error);

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(error = Cold)]
    pub struct Bake {
        pub reject: bool,
    }

    #[command_handler]
    fn bake(cmd: Bake) -> Result<(), CommandError<Cold>> {
        let cold = Cold(std::io::Error::other("no gas"));
        if cmd.reject {
            Err(CommandError::Rejected(cold))
        } else {
            Err(CommandError::failed(cold))
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct Temperature {}

    #[query_handler]
    fn temperature(_: Temperature) -> Result<u32> {
        Err(Cold(std::io::Error::other("no gas")).into())
    }
}

/// What a program prints whose `main` returns this.
fn printed<T>(outcome: Result<T, impl Into<cqrs_core::Error>>) -> String {
    let error = outcome.err().expect("fails").into();
    format!("{error:?}")
}

#[tokio::test]
async fn every_error_of_a_call_prints_its_message_and_its_causes() {
    let app = Dispatcher::builder()
        .module(oven::module())
        .store(Memory::new());
    let app = app.build().await.expect("builds");
    let (reject, fail) = (oven::Bake { reject: true }, oven::Bake { reject: false });
    let rejected = "the oven is cold\n  caused by: no gas";
    assert_eq!(printed(app.execute(reject).await), rejected);
    let json = br#"{"reject": true}"#;
    assert_eq!(printed(app.execute_json("Bake", json).await), rejected);
    let failed = "`bake` failed: the oven is cold\n  caused by: no gas";
    assert_eq!(printed(app.execute(fail).await), failed);
    let failed = "`temperature` failed: the oven is cold\n  caused by: no gas";
    assert_eq!(printed(app.query(oven::Temperature {}).await), failed);
    let invalid = app.execute_json("Bake", br#"{"reject": 7}"#).await;
    let invalid = printed(invalid);
    assert!(
        invalid.starts_with("invalid command: `reject`: invalid type"),
        "{invalid}"
    );
    let unknown = "there is no command `Bkae`: did you mean `Bake`?";
    assert_eq!(printed(app.execute_json("Bkae", b"{}").await), unknown);
}

#[tokio::test]
async fn an_adapter_prints_its_errors_as_the_core_does() {
    let refused = cqrs_sqlite::Sqlite::open(":memory:").await;
    let error = refused.expect_err("is refused");
    assert_eq!(format!("{error:?}"), error.to_string());
    let refused = cqrs_postgres::Postgres::connect("nonsense").await;
    let error = refused.expect_err("is refused");
    assert_eq!(format!("{error:?}"), error.to_string());
}
