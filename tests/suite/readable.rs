//! Accepted data can be read back; unreadable data is refused before anything is recorded, and says
//! where it is at fault. Longer than 500 lines: one list of what JSON cannot hold, for events,
//! states, snapshots and commands.

// A `Some` of nothing is what one of the tests is about.
#![allow(clippy::option_option)]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, StateKey};
use cqrs_core::testing::given;
use serde_json::Value;

use crate::support::stores::{on_each, on_each_with};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Divide {
    #[id(Sensor)]
    sensor: String,
    dividend: f64,
    by: Vec<f64>,
    limit: Option<Option<f64>>,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Annotate {
    #[id(Sensor)]
    sensor: String,
    note: Value,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Break {
    #[id(Sensor)]
    sensor: String,
    how: Flaw,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Flaw {
    Tagged,
    Flattened,
    Large,
    Skipped,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "divided", version = 1)]
pub struct Divided {
    #[id(Sensor)]
    sensor: String,
    results: Vec<Quotient>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Quotient {
    value: f64,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "annotated", version = 1)]
pub struct Annotated {
    #[id(Sensor)]
    sensor: String,
    note: Note,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    text: Value,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "counted", version = 1)]
pub struct Counted {
    #[id(Sensor)]
    sensor: String,
    counter: Counter,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Counter {
    ByNumber { counts: BTreeMap<u32, u32> },
    Large { count: u128 },
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "tallied", version = 1)]
pub struct Tallied {
    #[id(Sensor)]
    sensor: String,
    #[serde(flatten)]
    counts: BTreeMap<u32, u32>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "authenticated", version = 1)]
pub struct Authenticated {
    #[id(Sensor)]
    sensor: String,
    #[serde(skip_serializing)]
    password: String,
}

#[derive(Event)]
pub enum Broken {
    Counted(Counted),
    Tallied(Tallied),
    Authenticated(Authenticated),
}

#[derive(Default)]
pub struct Sensor {
    divisions: u32,
}

#[aggregate(id = String)]
impl Sensor {
    #[apply]
    fn divided(&mut self, _: &Divided) {
        self.divisions += 1;
    }

    #[apply]
    fn annotated(&mut self, _: &Annotated) {}

    #[apply]
    fn counted(&mut self, _: &Counted) {}

    #[apply]
    fn tallied(&mut self, _: &Tallied) {}

    #[apply]
    fn authenticated(&mut self, event: &Authenticated) {
        assert_ne!(event.password, "");
    }
}

#[command_handler]
fn divide(cmd: Divide, _: &Sensor) -> Divided {
    let quotient = |by: &f64| Quotient {
        value: cmd.dividend / by,
    };
    Divided {
        results: cmd.by.iter().map(quotient).collect(),
        sensor: cmd.sensor,
    }
}

#[command_handler]
fn annotate(Annotate { sensor, note: text }: Annotate, _: &Sensor) -> Annotated {
    let note = Note { text };
    Annotated { sensor, note }
}

#[command_handler]
fn break_it(Break { sensor, how }: Break, _: &Sensor) -> Broken {
    let counts = BTreeMap::from([(1, 1)]);
    match how {
        Flaw::Tagged => Broken::Counted(Counted {
            sensor,
            counter: Counter::ByNumber { counts },
        }),
        Flaw::Large => Broken::Counted(Counted {
            sensor,
            counter: Counter::Large { count: u128::MAX },
        }),
        Flaw::Flattened => Broken::Tallied(Tallied { sensor, counts }),
        Flaw::Skipped => Broken::Authenticated(Authenticated {
            sensor,
            password: "secret".into(),
        }),
    }
}

fn division(dividend: f64, by: &[f64]) -> Divide {
    Divide {
        sensor: "S1".into(),
        dividend,
        by: by.to_vec(),
        limit: None,
    }
}

fn divided(values: &[f64]) -> Divided {
    let quotient = |value: &f64| Quotient { value: *value };
    Divided {
        sensor: "S1".into(),
        results: values.iter().map(quotient).collect(),
    }
}

fn breaking(how: Flaw) -> Break {
    let sensor = "S1".into();
    Break { sensor, how }
}

/// JSON that is nested this deeply.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// What an event that cannot be read back answers.
const NOT_A_NUMBER: &str = "`divide` failed: event `divided` cannot be recorded: \
                            `results[1].value`: JSON has no NaN: use a finite number";

fn failed<E: Display>(outcome: Result<cqrs_core::Receipt, CommandError<E>>) -> String {
    match outcome {
        Err(error @ CommandError::Failed(Failure::Handler { .. })) => error.to_string(),
        Err(error) => panic!("failed otherwise: {error}"),
        Ok(receipt) => panic!("recorded {} events", receipt.events()),
    }
}

async fn recorded(app: &Dispatcher) -> usize {
    let events = app.events(EventQuery::All).all().await;
    events.expect("reads").len()
}

#[tokio::test]
async fn an_event_with_a_number_that_is_not_finite_is_refused_and_the_aggregate_goes_on() {
    on_each(module(), |app| async move {
        let outcome = app.execute(division(0.0, &[1.0, 0.0])).await;
        assert_eq!(failed(outcome), NOT_A_NUMBER);
        let outcome = app.execute(division(-1.0, &[0.0])).await;
        let text = failed(outcome);
        assert!(
            text.contains("`results[0].value`: JSON has no negative infinity"),
            "{text}"
        );
        assert_eq!(recorded(&app).await, 0);

        let divided = app.execute(division(1.0, &[4.0])).await;
        assert_eq!(divided.expect("is recorded").events(), 1);
        let sensor = app.state::<Sensor>(&"S1".to_owned()).await;
        assert_eq!(sensor.expect("is readable").divisions, 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_serde_cannot_read_back_is_refused_with_its_field() {
    let flaws = [
        (Flaw::Tagged, "event `counted` cannot be recorded: `counter"),
        (Flaw::Large, "event `counted` cannot be recorded: `counter"),
        (Flaw::Flattened, "event `tallied` cannot be recorded: "),
        (Flaw::Skipped, "missing field `password`"),
    ];
    on_each(module(), |app| async move {
        for (flaw, expected) in flaws {
            let text = failed(app.execute(breaking(flaw)).await);
            assert!(text.contains(expected), "{flaw:?}: {text}");
            let cannot = "its JSON cannot be read back: ";
            assert!(text.contains(cannot), "{flaw:?}: {text}");
        }
        assert_eq!(recorded(&app).await, 0);
    })
    .await;
}

#[tokio::test]
async fn json_that_an_event_nests_too_deeply_is_refused() {
    on_each(module(), |app| async move {
        let annotate = async |depth| {
            let note = serde_json::from_str(&nested(depth)).expect("can be parsed");
            let sensor = "S1".into();
            app.execute(Annotate { sensor, note }).await
        };
        let text = failed(annotate(126).await);
        let event = "event `annotated` cannot be recorded: `note.text";
        assert!(text.contains(event), "{text}");
        assert!(text.contains("recursion limit exceeded"), "{text}");
        let json = format!(r#"{{"sensor":"S1","note":{}}}"#, nested(126));
        let error = app.execute_json("Annotate", json.as_bytes()).await;
        let error = error.expect_err("is too deep");
        assert!(matches!(error, CommandError::Invalid(_)), "{error}");
        assert_eq!(recorded(&app).await, 0);

        annotate(125).await.expect("can be read back");
        let sensor = app.state::<Sensor>(&"S1".to_owned()).await;
        sensor.expect("is readable");
    })
    .await;
}

/// Of several events none is recorded.
#[test]
fn given_when_then_fails_as_the_program_would() {
    let division = || division(0.0, &[1.0, 0.0]);
    given(()).when(division()).then_error(NOT_A_NUMBER);
    let text = panic_of(|| given(()).when(division()).then(divided(&[0.0])));
    assert!(text.ends_with(NOT_A_NUMBER), "{text}");
}

#[test]
fn given_when_then_refuses_events_that_no_program_could_have_recorded() {
    let (nan, expected) = (
        || divided(&[1.0, f64::NAN]),
        NOT_A_NUMBER.trim_start_matches("`divide` failed: "),
    );
    let history = panic_of(|| drop(given(nan())));
    assert_eq!(history, expected);
    let more = panic_of(|| drop(given(()).and(vec![divided(&[1.0]), nan()])));
    assert_eq!(more, expected);
    let then = panic_of(|| given(()).when(division(1.0, &[1.0])).then(nan()));
    assert_eq!(then, expected);
}

fn panic_of(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("fails");
    *panic.downcast::<String>().expect("a text")
}

#[tokio::test]
async fn a_command_that_has_the_json_of_another_is_invalid() {
    on_each(module(), |app| async move {
        let id = CommandId::new();
        let first = app.execute(division(1.0, &[2.0])).id(id).await;
        first.expect("is recorded");
        let nan = app.execute(division(1.0, &[2.0, f64::NAN])).id(id).await;
        let error = nan.expect_err("is refused").to_string();
        let expected = "invalid command: `by[1]`: JSON has no NaN: use a finite number";
        assert_eq!(error, expected);
        let no_limit = Divide {
            limit: Some(None),
            ..division(1.0, &[2.0])
        };
        let error = app.execute(no_limit).id(id).await.expect_err("is refused");
        let text = error.to_string();
        assert!(matches!(error, CommandError::Invalid(_)), "{text}");
        assert!(text.starts_with("invalid command: `limit`: "), "{text}");
        assert_eq!(recorded(&app).await, 1);
    })
    .await;
}

mod stored {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Weigh {
        #[id(Scale)]
        pub scale: u32,
        pub grams: f64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "weighed", version = 1)]
    pub struct Weighed {
        #[id(Scale)]
        pub scale: u32,
        pub grams: f64,
    }

    /// Its mean is that of nothing until something heavier than nothing is on it.
    #[derive(Default, Serialize, Deserialize)]
    pub struct Mean {
        pub weighed: f64,
        pub times: f64,
        pub grams: f64,
    }

    impl Mean {
        fn add(&mut self, grams: f64) {
            self.weighed += grams;
            self.times += f64::from(u8::from(grams > 0.0));
            self.grams = self.weighed / self.times;
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Scale {
        pub mean: Mean,
    }

    #[aggregate(id = u32, storage = "state")]
    impl Scale {
        #[apply]
        fn weighed(&mut self, event: &Weighed) {
            self.mean.add(event.grams);
        }
    }

    #[command_handler]
    fn weigh(Weigh { scale, grams }: Weigh, _: &Scale) -> Weighed {
        Weighed { scale, grams }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Check {
        #[id(Balance)]
        pub balance: u32,
        pub grams: f64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "checked", version = 1)]
    pub struct Checked {
        #[id(Balance)]
        pub balance: u32,
        pub grams: f64,
        /// How often before, as the decision knew.
        pub before: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Balance {
        pub mean: Mean,
        pub checks: u32,
    }

    #[aggregate(id = u32, snapshot_every = 2)]
    impl Balance {
        #[apply]
        fn checked(&mut self, event: &Checked) {
            self.mean.add(event.grams);
            self.checks += 1;
        }
    }

    #[command_handler]
    fn check(Check { balance, grams }: Check, state: &Balance) -> Checked {
        let before = state.checks;
        Checked {
            balance,
            grams,
            before,
        }
    }
}

async fn stored_state(app: &Dispatcher, aggregate: &'static str) -> Option<Value> {
    let id = "1".to_owned();
    let states = app
        .log()
        .capabilities()
        .states
        .expect("it keeps states")
        .states(vec![StateKey { aggregate, id }])
        .await;
    let state = states.expect("reads").into_iter().next()??;
    Some(serde_json::from_slice(&state.body).expect("is JSON"))
}

#[tokio::test]
async fn a_stored_state_that_cannot_be_read_back_fails_the_command() {
    use stored::{Scale, Weigh, module};
    on_each(module(), |app| async move {
        let weigh = |grams| app.execute(Weigh { scale: 1, grams });
        let text = failed(weigh(0.0).await);
        let expected = "`weigh` failed: the state of `scale:1` cannot be stored: `mean.grams`: \
                        JSON has no NaN: use a finite number";
        assert_eq!(text, expected);
        assert_eq!(recorded(&app).await, 0);
        assert_eq!(stored_state(&app, "scale").await, None);

        weigh(12.5).await.expect("is recorded");
        weigh(0.0).await.expect("is recorded");
        let scale = app.state::<Scale>(&1).await.expect("is readable");
        assert_eq!((scale.mean.weighed, scale.mean.grams), (12.5, 12.5));
    })
    .await;
}

#[test]
fn given_when_then_stores_the_states_that_a_program_would() {
    use stored::{Weigh, Weighed};
    let weigh = |grams| Weigh { scale: 1, grams };
    let expected = "`weigh` failed: the state of `scale:1` cannot be stored: `mean.grams`: \
                    JSON has no NaN: use a finite number";
    given(()).when(weigh(0.0)).then_error(expected);
    let (scale, grams) = (1, 2.5);
    let weighed = Weighed { scale, grams };
    given(()).when(weigh(grams)).then(weighed);
}

#[tokio::test]
async fn a_snapshot_that_could_not_be_read_back_is_left_out() {
    use stored::{Balance, Check, module};
    for cached in [true, false] {
        let with = |builder: cqrs_core::app::Builder| {
            if cached {
                builder
            } else {
                builder.state_cache(0)
            }
        };
        on_each_with(module(), with, |app| async move {
            let check = |grams| app.execute(Check { balance: 1, grams });
            for checks in 1..=7 {
                check(0.0).await.expect("is recorded");
                assert_eq!(stored_state(&app, "balance").await, None);
                let balance = app.state::<Balance>(&1).await.expect("is readable");
                assert_eq!(balance.checks, checks);
            }
            check(2.0).await.expect("is recorded");
            let snapshot = stored_state(&app, "balance").await;
            let snapshot = snapshot.expect("is made as soon as it can be");
            assert_eq!(snapshot["state"]["mean"]["grams"], 2.0);
            let history = app.history::<Balance>(&1).all().await.expect("reads");
            let before = history
                .iter()
                .map(|event| event.data.json()["before"].clone());
            assert_eq!(before.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
        })
        .await;
    }
}
