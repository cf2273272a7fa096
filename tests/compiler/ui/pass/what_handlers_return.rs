//! Everything that a handler may return.

use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "opened", version = 1)]
struct Opened;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "greeted", version = 1)]
struct Greeted {}

#[derive(Event)]
enum Happened {
    Opened(Opened),
    Greeted(Greeted),
    Several(Vec<Greeted>),
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("no")]
struct No;

type Opens<T = Opened> = std::result::Result<T, No>;

macro_rules! handlers {
    ($($command:ident($events:literal): $returns:ty = $value:expr;)+) => {
        $(
            #[derive(Command, Clone, Serialize, Deserialize)]
            #[command(error = No)]
            struct $command;

            const _: () = {
                #[command_handler]
                fn handle(_: $command) -> $returns {
                    $value
                }
            };
        )+

        async fn all(app: &Dispatcher) {
            $(
                let receipt = app.execute($command).await.expect("is decided");
                assert_eq!(receipt.events(), $events, "{}", stringify!($returns));
            )+
        }
    };
}

handlers! {
    One(1): Opened = Opened;
    OneInResult(1): Result<Opened, No> = Ok(Opened);
    OneInAlias(1): Opens = Ok(Opened);
    Maybe(1): Option<Opened> = Some(Opened);
    MaybeNot(0): Option<Opened> = None;
    MaybeInResult(1): Result<Option<Opened>, No> = Ok(Some(Opened));
    Many(2): Vec<Opened> = vec![Opened, Opened];
    ManyInResult(0): Result<Vec<Opened>, No> = Ok(Vec::new());
    Nothing(0): () = ();
    NothingInResult(0): Result<(), No> = Ok(());
    Pair(2): (Opened, Greeted) = (Opened, Greeted {});
    PairInResult(2): Result<(Opened, Greeted), No> = Ok((Opened, Greeted {}));
    Single(1): (Opened,) = (Opened,);
    Eight(8): (Opened, Opened, Opened, Opened, Opened, Opened, Opened, Greeted) =
        (Opened, Opened, Opened, Opened, Opened, Opened, Opened, Greeted {});
    Sum(1): Happened = Happened::Opened(Opened);
    SumInResult(1): Result<Happened, No> = Ok(Happened::Greeted(Greeted {}));
    SumOfSeveral(2): Happened = Happened::Several(vec![Greeted {}, Greeted {}]);
    Nested(3): (Option<Vec<Opened>>, (Happened, ()), Vec<(Opened,)>) =
        (Some(vec![Opened]), (Happened::Opened(Opened), ()), vec![(Opened,)]);
    AnyFailure(1): Result<Opened, CommandError<No>> = Ok(Opened);
    FullPath(1): ::core::result::Result<::std::option::Option<self::Opened>, crate::No> =
        Ok(Some(Opened));
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = No)]
struct Refused;

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = No)]
struct Broken;

#[derive(Command, Clone, Serialize, Deserialize)]
struct RefusedInWords {
    why: String,
}

#[command_handler]
async fn refuse(_: Refused) -> Result<Happened, No> {
    Err(No)
}

#[command_handler]
async fn fail(_: Broken) -> Result<Happened, CommandError<No>> {
    Err(CommandError::failed(Error::message("is broken")))
}

#[command_handler]
fn refuse_in_words(cmd: RefusedInWords) -> Result<(), Rejected> {
    ensure!(cmd.why.is_empty(), cmd.why);
    Ok(())
}

struct Log;

#[projection(name = "log", version = 1)]
impl Log {
    #[on]
    fn opened(_: &Opened) {}

    #[on]
    async fn greeted(_: &Greeted) -> std::result::Result<(), std::fmt::Error> {
        Ok(())
    }
}

#[event_handler]
fn nothing(_: Opened) {}

#[event_handler]
fn unit(_: Opened) -> () {}

#[event_handler]
async fn in_result(_: Opened) -> Result<()> {
    Ok(())
}

#[event_handler]
async fn with_an_error_of_its_own(_: Opened) -> Result<(), No> {
    Ok(())
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct Open;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Greet;

#[command_handler]
fn open(_: Open) {}

#[command_handler]
fn greet(_: Greet) {}

macro_rules! reactions {
    ($($name:literal: $returns:ty = $value:expr;)+) => {$(
        const _: () = {
            #[event_handler(name = $name)]
            fn react(_: Greeted) -> $returns {
                $value
            }
        };
    )+};
}

reactions! {
    "one": Open = Open;
    "maybe": Option<Open> = Some(Open);
    "many": Vec<Open> = vec![Open];
    "pair": (Open, Option<Greet>) = (Open, None);
    "nested": Option<(Vec<Open>, (Greet, ()))> = None;
    "one-in-result": Result<Open> = Ok(Open);
    "pair-in-result": std::result::Result<(Open, Greet), No> = Err(No);
}

#[event_handler]
async fn later(_: Greeted) -> Option<Open> {
    None
}

macro_rules! queries {
    ($($query:ident($answer:ty): $returns:ty = $value:expr;)+) => {$(
        #[derive(Query, Clone, Serialize, Deserialize)]
        #[query(returns = $answer)]
        struct $query;

        const _: () = {
            #[query_handler]
            fn handle(_: $query) -> $returns {
                $value
            }
        };
    )+};
}

queries! {
    Number(u8): u8 = 1;
    NumberInResult(u8): Result<u8> = Ok(1);
    NumberOrNo(u8): Result<u8, No> = Err(No);
    MaybeNumber(Option<u8>): Option<u8> = None;
    ResultAsAnswer(Result<u8, String>): Result<u8, String> = Err("no".into());
    ResultInResult(Result<u8, String>): Result<Result<u8, String>> = Ok(Ok(1));
    Unit(()): () = ();
    Text(&'static str): &'static str = "text";
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder().store(Memory::new()).build().await?;
    all(&app).await;
    let refused = app.execute(Refused).await.expect_err("is refused");
    assert_eq!(refused.rejected(), Some(No));
    let broken = app.execute(Broken).await.expect_err("fails");
    assert!(matches!(broken, CommandError::Failed(_)));
    let why = app.execute(RefusedInWords { why: "late".into() }).await.expect_err("is refused");
    assert_eq!(why.to_string(), "late");
    assert_eq!(app.query(Number).await? + app.query(NumberInResult).await?, 2);
    assert!(app.query(NumberOrNo).await.is_err());
    assert_eq!(app.query(MaybeNumber).await?, None);
    assert_eq!(app.query(ResultAsAnswer).await?, Err("no".into()));
    assert_eq!(app.query(ResultInResult).await?, Ok(1));
    app.query(Unit).await?;
    assert_eq!(app.query(Text).await?, "text");
    Ok(())
}
