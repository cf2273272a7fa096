//! A panic in any function of the program is an error of the call that ran it. It names the
//! function, nothing is recorded, and the next call works. Longer than 500 lines: one list of all the
//! functions that a program gives to the framework.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::app::AccessRequest;
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventQuery, EventType, Tag};
use cqrs_core::testing::given;
use cqrs_core::{AllowAll, Authorizer, CommandId, Timestamp};
use serde::{Deserializer, Serializer};

use crate::support::stores::on_each_with;

cqrs_core::module!();

/// The text of `123` panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VaseId(u32);

impl fmt::Display for VaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert_ne!(self.0, 123, "no text");
        self.0.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Where {
    Nowhere,
    Fold,
    Read,
    Validate,
    Clone,
    Serialize,
    Deserialize,
}

/// Panics where it is told to.
#[derive(Debug)]
pub struct Drop(Where);

impl Clone for Drop {
    fn clone(&self) -> Self {
        assert_ne!(self.0, Where::Clone, "not twice");
        Self(self.0)
    }
}

impl Serialize for Drop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, Where::Serialize, "not written");
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Drop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let place = Where::deserialize(deserializer)?;
        assert_ne!(place, Where::Deserialize, "not read");
        Ok(Self(place))
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Hit {
    #[id(Vase)]
    vase: VaseId,
    with: Drop,
}

impl Validate for Hit {
    fn validate(&self) -> Result<(), Invalid> {
        assert_ne!(self.with.0, Where::Validate, "not valid");
        Ok(())
    }
}

/// As [`Hit`], with an event that is folded by the other kinds of aggregates.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(permission = "hit")]
pub struct Strike {
    #[id(Jug)]
    jug: VaseId,
    #[id(Bowl)]
    bowl: VaseId,
    #[id(Plate)]
    plate: VaseId,
    at: Where,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "vase-hit", version = 1)]
pub struct VaseHit {
    #[id(Vase)]
    vase: VaseId,
    at: Where,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "dish-struck", version = 1)]
pub struct DishStruck {
    #[id(Jug)]
    jug: VaseId,
    #[id(Bowl)]
    bowl: VaseId,
    #[id(Plate)]
    plate: VaseId,
    at: Where,
}

#[derive(Default)]
pub struct Vase {
    hits: u32,
}

#[aggregate(id = VaseId)]
impl Vase {
    #[apply]
    fn hit(&mut self, event: &VaseHit) {
        self.hits += 1;
        assert_ne!(event.at, Where::Fold, "broken");
    }
}

/// A state that is in the store.
#[derive(Default, Serialize, Deserialize)]
pub struct Jug(Hits);

#[aggregate(id = VaseId, storage = "state")]
impl Jug {
    #[apply]
    fn struck(&mut self, event: &DishStruck) {
        self.0.strike(event);
    }
}

/// A state with snapshots.
#[derive(Default, Serialize, Deserialize)]
pub struct Bowl(Hits);

#[aggregate(id = VaseId, snapshot_every = 1)]
impl Bowl {
    #[apply]
    fn struck(&mut self, event: &DishStruck) {
        self.0.strike(event);
    }
}

/// A state whose folds read the record.
#[derive(Default)]
pub struct Plate {
    hits: Hits,
    at: Option<(Position, Timestamp)>,
}

#[aggregate(id = VaseId)]
impl Plate {
    #[apply]
    fn struck(&mut self, event: &DishStruck, recorded: &Recorded) {
        let now = (recorded.position, recorded.meta.time);
        assert!(self.at.is_none_or(|at| at.0 < now.0 && at.1 <= now.1));
        self.at = Some(now);
        self.hits.strike(event);
    }
}

#[derive(Default)]
struct Hits {
    count: u32,
    read_panics: bool,
    write_panics: bool,
}

impl Hits {
    fn strike(&mut self, event: &DishStruck) {
        self.count += 1;
        self.read_panics = event.at == Where::Read;
        self.write_panics = event.at == Where::Serialize;
        assert_ne!(event.at, Where::Fold, "in pieces");
    }
}

impl Serialize for Hits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.write_panics, "not written");
        (self.count, self.read_panics).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (count, read_panics) = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            count,
            read_panics,
            write_panics: false,
        })
    }
}

/// An aggregate without a beginning.
pub struct Void;

impl Default for Void {
    fn default() -> Self {
        panic!("nothing comes of nothing")
    }
}

#[aggregate(id = VaseId)]
impl Void {
    #[apply]
    fn hit(&mut self, _: &VoidHit) {}
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "void-hit", version = 1)]
pub struct VoidHit {
    #[id(Void)]
    vase: VaseId,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct HitVoid {
    #[id(Void)]
    vase: VaseId,
}

#[command_handler]
fn hit_void(cmd: HitVoid, _: &Void) -> VoidHit {
    VoidHit { vase: cmd.vase }
}

#[command_handler]
fn hit(cmd: Hit, _: &Vase) -> VaseHit {
    VaseHit {
        vase: cmd.vase,
        at: cmd.with.0,
    }
}

#[command_handler]
fn strike(cmd: Strike, _: &Jug, _: &Bowl, _: &Plate) -> DishStruck {
    DishStruck {
        jug: cmd.jug,
        bowl: cmd.bowl,
        plate: cmd.plate,
        at: cmd.at,
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Answer, permission = "hit")]
pub struct Ask {
    with: Drop,
}

impl Validate for Ask {
    fn validate(&self) -> Result<(), Invalid> {
        assert_ne!(self.with.0, Where::Validate, "not valid");
        Ok(())
    }
}

#[derive(JsonSchema)]
pub struct Answer;

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("not answered")
    }
}

#[query_handler]
fn ask(_: Ask, _: &Context) -> Answer {
    Answer
}

const VASE: VaseId = VaseId(1);

fn hit_with(at: Where) -> Hit {
    let with = Drop(at);
    Hit { vase: VASE, with }
}

fn strike_at(at: Where) -> Strike {
    Strike {
        jug: VASE,
        bowl: VASE,
        plate: VASE,
        at,
    }
}

async fn count(app: &Dispatcher) -> usize {
    app.events(EventQuery::All)
        .all()
        .await
        .expect("reads")
        .len()
}

/// The error's text, of an error that says which function panicked.
fn panicked<T: fmt::Debug, E: std::error::Error>(outcome: Result<T, CommandError<E>>) -> String {
    match outcome {
        Err(CommandError::Failed(failure @ Failure::FunctionPanicked { .. })) => {
            failure.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn allowed(builder: cqrs_core::app::Builder) -> cqrs_core::app::Builder {
    builder.authorizer(AllowAll)
}

#[tokio::test]
async fn an_event_that_cannot_be_folded_is_not_recorded() {
    on_each_with(module(), allowed, |app| async move {
        for _ in 0..3 {
            let hits = count(&app).await;
            let outcome = app.execute(hit_with(Where::Fold)).await;
            let text = "`Vase::apply` panicked at the new event `vase-hit`: ";
            assert!(panicked(outcome).starts_with(text));
            assert_eq!(count(&app).await, hits);
            app.execute(hit_with(Where::Nowhere)).await.expect("hits");
        }
        let vase = app.state::<Vase>(&VASE).await.expect("a state");
        assert_eq!(vase.hits, 3);
    })
    .await;
}

#[tokio::test]
async fn by_name_it_is_the_same_error() {
    on_each_with(module(), allowed, |app| async move {
        let json = br#"{"vase":1,"with":"Fold"}"#;
        let error = app.execute_json("Hit", json).await.expect_err("panics");
        let text = "`Vase::apply` panicked at the new event `vase-hit`: ";
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!(count(&app).await, 0);
    })
    .await;
}

#[test]
#[should_panic(expected = "`Vase::apply` panicked at the new event `vase-hit`: ")]
fn a_scenario_shows_an_event_that_cannot_be_folded() {
    let when = given(()).module(module()).when(hit_with(Where::Fold));
    when.then(VaseHit {
        vase: VASE,
        at: Where::Fold,
    });
}

#[tokio::test]
async fn what_the_other_kinds_of_aggregates_cannot_fold_is_not_recorded_either() {
    on_each_with(module(), allowed, |app| async move {
        for _ in 0..3 {
            let hits = count(&app).await;
            let text = panicked(app.execute(strike_at(Where::Fold)).await);
            let end = "::apply` panicked at the new event `dish-struck`: ";
            assert!(text.contains(end), "{text}");
            assert_eq!(count(&app).await, hits);
            let outcome = app.execute(strike_at(Where::Nowhere)).await;
            outcome.expect("strikes");
        }
        let plate = app.state::<Plate>(&VASE).await.expect("a state");
        let jug = app.state::<Jug>(&VASE).await.expect("a state");
        let bowl = app.state::<Bowl>(&VASE).await.expect("a state");
        let counts = [plate.hits.count, jug.0.count, bowl.0.count];
        assert_eq!(counts, [3; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_state_that_cannot_be_written_is_an_error() {
    on_each_with(module(), allowed, |app| async move {
        let text = panicked(app.execute(strike_at(Where::Serialize)).await);
        assert!(
            text.contains("::serialize` panicked: not written"),
            "{text}"
        );
        assert_eq!(count(&app).await, 0);
        let outcome = app.execute(strike_at(Where::Nowhere)).await;
        outcome.expect("strikes");
    })
    .await;
}

/// Whatever the log contains, each call reports the problem with it.
#[tokio::test]
async fn a_history_that_cannot_be_folded_is_named_by_every_call() {
    on_each_with(module(), allowed, |app| async move {
        let event = EventData {
            event_type: EventType::new("vase-hit"),
            version: 1,
            tags: Tag::of::<Vase>(&VASE).into(),
            payload: br#"{"vase":1,"at":"Fold"}"#.to_vec(),
        };
        let append = Append::new(CommandId::new(), vec![event]);
        let appended = app.log().append(append).await;
        let at = appended.expect("appends").last;
        let expected = format!("`Vase::apply` panicked at event `vase-hit` (position {at}): ");
        for _ in 0..3 {
            let text = panicked(app.execute(hit_with(Where::Nowhere)).await);
            assert!(text.starts_with(&expected), "{text}");
            let state = app.state::<Vase>(&VASE).await;
            let text = state.err().expect("panics").to_string();
            assert!(text.starts_with(&expected), "{text}");
        }
        // Others go on.
        let (vase, with) = (VaseId(2), Drop(Where::Nowhere));
        app.execute(Hit { vase, with }).await.expect("hits");
    })
    .await;
}

#[tokio::test]
async fn each_function_is_named() {
    on_each_with(module(), allowed, |app| async move {
        let cases = [
            (Where::Validate, "`Hit::validate` panicked: "),
            (Where::Clone, "`Hit::clone` panicked: "),
            (Where::Serialize, "`Hit::serialize` panicked: "),
        ];
        for (place, expected) in cases {
            let text = panicked(app.execute(hit_with(place)).await);
            assert!(text.starts_with(expected), "{text}");
        }
        let with = || Drop(Where::Nowhere);
        let vase = VaseId(123);
        let text = panicked(app.execute(Hit { vase, with: with() }).await);
        assert!(
            text.starts_with("`Display of an id of Hit` panicked: "),
            "{text}"
        );
        let state = app.state::<Vase>(&vase).await;
        let text = state.err().expect("panics").to_string();
        assert!(
            text.starts_with("`Display of an id of vase` panicked: "),
            "{text}"
        );
        let history = app.history::<Vase>(&vase);
        let text = history.all().await.expect_err("panics").to_string();
        assert!(
            text.starts_with("`Display of an id of vase` panicked: "),
            "{text}"
        );
        assert!(history.stream().is_err());
        let text = panicked(app.execute(HitVoid { vase: VASE }).await);
        assert_eq!(text, "`Void::default` panicked: nothing comes of nothing");
        let state = app.state::<Void>(&VASE).await;
        let text = state.err().expect("panics").to_string();
        assert_eq!(text, "`Void::default` panicked: nothing comes of nothing");
        let json = br#"{"vase":1,"with":"Deserialize"}"#;
        let error = app.execute_json("Hit", json).await.expect_err("panics");
        assert!(
            error
                .to_string()
                .starts_with("`Hit::deserialize` panicked: "),
            "{error}"
        );

        let asked = app
            .query(Ask {
                with: Drop(Where::Validate),
            })
            .await;
        let text = asked.err().expect("panics").to_string();
        assert!(text.starts_with("`Ask::validate` panicked: "), "{text}");
        let asked = app.query_json("Ask", br#"{"with":"Deserialize"}"#).await;
        let text = asked.expect_err("panics").to_string();
        assert!(text.starts_with("`Ask::deserialize` panicked: "), "{text}");
        let asked = app.query_json("Ask", br#"{"with":"Nowhere"}"#).await;
        let text = asked.expect_err("panics").to_string();
        assert_eq!(text, "`Answer::serialize` panicked: not answered");

        app.execute(Hit {
            vase: VASE,
            with: with(),
        })
        .await
        .expect("goes on");
    })
    .await;
}

/// An authorizer that panics while it is locked.
struct Locked(Arc<AtomicBool>);

impl Authorizer for Locked {
    fn authorize(&self, _: &AccessRequest<'_>) -> Result<(), String> {
        assert!(!self.0.load(Ordering::Relaxed), "locked out");
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_of_the_authorizer_or_the_clock_is_an_error_of_that_call() {
    let (is_locked, is_stopped) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
    let with = |builder: cqrs_core::app::Builder| {
        let (is_locked, is_stopped) = (is_locked.clone(), is_stopped.clone());
        let authorizer = Locked(is_locked);
        let clock = move || {
            assert!(!is_stopped.load(Ordering::Relaxed), "no time");
            Timestamp::now()
        };
        builder.authorizer(authorizer).clock(clock)
    };
    on_each_with(module(), with, |app| {
        let (is_locked, is_stopped) = (is_locked.clone(), is_stopped.clone());
        async move {
            let ask = || Ask {
                with: Drop(Where::Nowhere),
            };
            for (broken, text) in [
                (&is_locked, "`Authorizer::authorize` panicked: locked out"),
                (&is_stopped, "`the dispatcher's clock` panicked: no time"),
            ] {
                broken.store(true, Ordering::Relaxed);
                assert_eq!(panicked(app.execute(strike_at(Where::Nowhere)).await), text);
                let asked = app.query(ask()).await;
                assert_eq!(asked.err().expect("panics").to_string(), text);
                let asked = app.query_json("Ask", br#"{"with":"Nowhere"}"#).await;
                assert_eq!(asked.expect_err("panics").to_string(), text);
                broken.store(false, Ordering::Relaxed);
            }
            app.query(ask()).await.expect("answers");
            let outcome = app.execute(strike_at(Where::Nowhere)).await;
            outcome.expect("goes on");
        }
    })
    .await;
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Retype {
    #[id(Typed)]
    id: u32,
    /// What the event says that is no number.
    text: Option<String>,
}

/// Whose fold reads another type than what was recorded under the name: not a panic, an error.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "retyped", version = 1)]
pub struct Retyped {
    #[id(Typed)]
    id: u32,
    #[serde(deserialize_with = "short")]
    text: Option<String>,
}

fn short<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text {
        Some(text) if text.len() > 3 => Err(serde::de::Error::custom("too long to be read")),
        text => Ok(text),
    }
}

#[derive(Default)]
pub struct Typed(u32);

#[aggregate(id = u32)]
impl Typed {
    #[apply]
    fn retyped(&mut self, _: &Retyped) {
        self.0 += 1;
    }
}

#[command_handler]
fn retype(cmd: Retype, _: &Typed) -> Retyped {
    Retyped {
        id: cmd.id,
        text: cmd.text,
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_not_recorded() {
    on_each_with(module(), allowed, |app| async move {
        let retype = |text: &str| Retype {
            id: 1,
            text: Some(text.to_owned()),
        };
        for _ in 0..3 {
            let error = app
                .execute(retype("long"))
                .await
                .expect_err("cannot be read");
            let text = error.to_string();
            assert!(matches!(error, CommandError::Failed(_)), "{text}");
            assert!(
                text.contains("`retyped`") && text.contains("too long to be read"),
                "{text}"
            );
            app.execute(retype("abc")).await.expect("types");
        }
        assert_eq!(app.state::<Typed>(&1).await.expect("a state").0, 3);
    })
    .await;
}

/// A state whose `Drop` panics, which it does wherever it is given up.
#[derive(Default)]
pub struct Bomb {
    lit: bool,
}

impl std::ops::Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.lit || std::thread::panicking(), "it went off");
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Light {
    #[id(Bomb)]
    id: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "lit", version = 1)]
pub struct Lit {
    #[id(Bomb)]
    id: u32,
}

#[aggregate(id = u32)]
impl Bomb {
    #[apply]
    fn lit(&mut self, _: &Lit) {
        self.lit = true;
    }
}

#[command_handler]
fn light(cmd: Light, _: &Bomb) -> Lit {
    Lit { id: cmd.id }
}

#[tokio::test]
async fn a_panic_when_a_state_is_dropped_harms_no_call() {
    let small = |builder| allowed(builder).state_cache(1);
    on_each_with(module(), small, |app| async move {
        for id in [1, 2, 1, 2] {
            app.execute(Light { id }).await.expect("lights");
        }
        assert_eq!(count(&app).await, 4);
    })
    .await;
}
