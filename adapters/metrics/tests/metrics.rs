//! The metrics of a program, as Prometheus reads them.

use std::sync::OnceLock;
use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_metrics::Prometheus;
use tracing_subscriber::prelude::*;

mod kettles {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Fill {
        #[id(Kettle)]
        pub kettle: u32,
        pub cups: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "kettle-filled", version = 1)]
    pub struct Filled {
        #[id(Kettle)]
        pub kettle: u32,
        pub cups: u32,
    }

    #[derive(Default)]
    pub struct Kettle {
        cups: u32,
    }

    #[aggregate(id = u32)]
    impl Kettle {
        #[apply]
        fn filled(&mut self, event: &Filled) {
            self.cups += event.cups;
        }
    }

    #[command_handler]
    fn fill(Fill { kettle, cups }: Fill, known: &Kettle) -> Result<Vec<Filled>, Rejected> {
        ensure!(known.cups + cups <= 10, "the kettle has room for 10 cups");
        Ok((0..cups).map(|_| Filled { kettle, cups: 1 }).collect())
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Level {
        #[key]
        pub kettle: u32,
        pub cups: u32,
    }

    pub struct Levels;

    #[projection(name = "levels", version = 1)]
    impl Levels {
        #[on]
        fn filled(event: &Filled, levels: &mut Views<Level>) -> Result<()> {
            let Filled { kettle, cups } = *event;
            levels.upsert(&kettle, || Level { kettle, cups }, |it| it.cups += cups)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct CupsIn {
        pub kettle: u32,
    }

    #[query_handler]
    async fn cups_in(query: CupsIn, levels: Read<Level>) -> Result<u32> {
        let level = levels.get(&query.kettle).await?;
        let level = level.ok_or(Error::message("there is no such kettle"))?;
        Ok(level.cups)
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Boiling {
        cups: u32,
    }

    #[process_manager(name = "boiling", id(Kettle = u32))]
    impl Boiling {
        #[start]
        fn filled(&mut self, event: &Filled) -> Option<End> {
            self.cups += event.cups;
            (self.cups == 10).then_some(End)
        }
    }

    #[event_handler(name = "whistle")]
    fn whistle(event: Filled) -> Result<()> {
        ensure!(event.kettle != 13, Error::message("the whistle is broken"));
        Ok(())
    }
}

use kettles::{CupsIn, Fill};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(30);

fn prometheus() -> &'static Prometheus {
    static INSTALLED: OnceLock<Prometheus> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let layer = cqrs_metrics::layer();
        tracing_subscriber::registry().with(layer).init();
        Prometheus::install().expect("it is the first one")
    })
}

/// The figures by their names with labels.
fn figure(text: &str, of: &str) -> Option<f64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(of)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

#[track_caller]
fn has(text: &str, of: &str, wanted: f64) {
    let found = figure(text, of);
    assert!(
        found.is_some_and(|found| (found - wanted).abs() < 1e-9),
        "{of} is {found:?}, not {wanted}:\n{text}"
    );
}

/// After three commands, the last of which is too much, and three queries.
const FIGURES: [(&str, f64); 23] = [
    (r#"cqrs_commands_total{command="Fill",outcome="done"}"#, 2.0),
    (
        r#"cqrs_commands_total{command="Fill",outcome="refused"}"#,
        1.0,
    ),
    (r#"cqrs_command_seconds_count{command="Fill"}"#, 3.0),
    (r#"cqrs_events_total{command="Fill"}"#, 7.0),
    (r#"cqrs_queries_total{query="CupsIn",outcome="done"}"#, 1.0),
    (
        r#"cqrs_queries_total{query="CupsIn",outcome="failed"}"#,
        1.0,
    ),
    (
        r#"cqrs_queries_total{query="CupsIn",outcome="not caught up"}"#,
        1.0,
    ),
    (r#"cqrs_query_seconds_count{query="CupsIn"}"#, 3.0),
    (
        r#"cqrs_projected_events_total{projection="levels",version="1"}"#,
        7.0,
    ),
    (
        r#"cqrs_page_events_sum{projection="levels",version="1"}"#,
        7.0,
    ),
    (
        r#"cqrs_reactions_total{reaction="whistle",event="kettle-filled",outcome="done"}"#,
        7.0,
    ),
    (r#"cqrs_reaction_seconds_count{reaction="whistle"}"#, 7.0),
    (r#"cqrs_process_events_total{process="boiling"}"#, 7.0),
    ("cqrs_log_position", 7.0),
    (
        r#"cqrs_subscription_position{subscription="levels",kind="projection"}"#,
        7.0,
    ),
    (
        r#"cqrs_subscription_lag{subscription="levels",kind="projection"}"#,
        0.0,
    ),
    (
        r#"cqrs_subscription_ok{subscription="whistle",kind="reaction"}"#,
        1.0,
    ),
    (
        r#"cqrs_subscription_state{subscription="levels",kind="projection",state="running"}"#,
        1.0,
    ),
    (
        r#"cqrs_subscription_state{subscription="levels",kind="projection",state="stopped"}"#,
        0.0,
    ),
    ("cqrs_live", 1.0),
    ("cqrs_ready", 1.0),
    ("cqrs_state_cache_hits_total", 2.0),
    ("cqrs_state_cache_misses_total", 1.0),
];

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_subscriptions_are_counted() {
    let prometheus = prometheus();
    let builder = Dispatcher::builder().module(kettles::module());
    let app = builder.store(Memory::new()).build().await.expect("builds");
    for cups in [3, 4, 5] {
        // The last one is too much.
        let _ = app.execute(Fill { kettle: 1, cups }).await;
    }
    let head = app.wait_until_idle(LONG).await.expect("comes to rest");
    assert_eq!(app.query(CupsIn { kettle: 1 }).await.expect("answers"), 7);
    app.query(CupsIn { kettle: 2 }).await.expect_err("fails");
    let later = Position::new(head.get() + 1);
    let call = app.query(CupsIn { kettle: 1 }).after_position(later);
    let late = call.max_wait(Duration::ZERO).await;
    late.expect_err("does not catch up");

    let text = prometheus.render(&app);
    for (of, wanted) in FIGURES {
        has(&text, of, wanted);
    }

    // The reaction fails, and is seen to.
    app.execute(Fill {
        kettle: 13,
        cups: 1,
    })
    .await
    .expect("is filled");
    app.wait_until_idle(Duration::from_millis(1))
        .await
        .expect_err("fails");
    let failing =
        r#"cqrs_reactions_total{reaction="whistle",event="kettle-filled",outcome="failed"}"#;
    let text = loop {
        let text = prometheus.render(&app);
        if figure(&text, failing).is_some() {
            break text;
        }
        tokio::task::yield_now().await;
    };
    has(
        &text,
        r#"cqrs_subscription_lag{subscription="whistle",kind="reaction"}"#,
        1.0,
    );
    app.shutdown(LONG).await.expect("ends");
    let text = prometheus.render(&app);
    has(
        &text,
        r#"cqrs_subscription_ok{subscription="whistle",kind="reaction"}"#,
        0.0,
    );
    has(&text, "cqrs_ready", 0.0);
}

#[test]
fn a_second_exporter_is_refused() {
    prometheus();
    let error = Prometheus::install().err().expect("is refused");
    assert!(
        error
            .to_string()
            .starts_with("the metrics are not installed: "),
        "{error}"
    );
}
