//! A Prometheus server reads the metrics of a program, and evaluates what the dashboard shows.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use cqrs_core::prelude::*;
use cqrs_metrics::Prometheus;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tracing_subscriber::prelude::*;

mod gongs {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Strike {
        pub gong: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "gong-struck", version = 1)]
    pub struct Struck {
        pub gong: u32,
    }

    #[command_handler]
    fn strike(Strike { gong }: Strike) -> Struck {
        Struck { gong }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Gong {
        #[key]
        pub gong: u32,
        pub times: u32,
    }

    pub struct Gongs;

    #[projection(name = "gongs", version = 1)]
    impl Gongs {
        #[on]
        fn struck(event: &Struck, gongs: &mut Views<Gong>) -> Result<()> {
            let gong = event.gong;
            gongs.upsert(&gong, || Gong { gong, times: 1 }, |it| it.times += 1)
        }
    }
}

use gongs::Strike;

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Time between two questions to the server, which does not tell when it has read the metrics.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A server of the test's own, which ends with it.
struct Server {
    child: Child,
    address: String,
    client: reqwest::Client,
    _directory: TempDir,
}

impl Server {
    /// One that reads the metrics at this address.
    fn reading(target: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let configuration = directory.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 200ms}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(&configuration, text).expect("is written");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = free.local_addr().expect("it is bound").to_string();
        drop(free);
        let child = start(&configuration, directory.path(), &address);
        Self {
            child,
            address,
            client: reqwest::Client::new(),
            _directory: directory,
        }
    }

    /// The result of an expression. `None` as long as the server does not answer.
    async fn evaluate(&self, expression: &str) -> Option<Value> {
        let url = format!("http://{}/api/v1/query", self.address);
        let question = self.client.post(url).form(&[("query", expression)]);
        let answer: Value = question.send().await.ok()?.json().await.ok()?;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        Some(answer["data"]["result"].clone())
    }

    /// Waits until an expression has this value.
    async fn has(&self, expression: &str, wanted: &str) {
        let is_so = async {
            loop {
                let result = self.evaluate(expression).await;
                if result.is_some_and(|it| it[0]["value"][1] == wanted) {
                    return;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let found = tokio::time::timeout(LONG, is_so).await;
        found.unwrap_or_else(|_| panic!("{expression} is not {wanted}"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(configuration: &Path, directory: &Path, address: &str) -> Child {
    Command::new("prometheus")
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=error")
        .current_dir(directory)
        .spawn()
        .expect("it starts")
}

/// Whether the programs are here. Without them, the test says that it is not run.
///
/// # Panics
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `false`.
fn is_installed(test: &str) -> bool {
    let is_here = |program: &str| {
        let version = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|it| it.success())
    };
    let are_here = is_here("prometheus") && is_here("promtool");
    let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
    assert!(
        are_here || !required,
        "{test} cannot be tested, and CQRS_REQUIRE_SERVICES is 1: there is no prometheus"
    );
    if !are_here {
        eprintln!("{test} is not tested: there is no prometheus");
    }
    are_here
}

/// Has `promtool` check a text.
fn check(text: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let checked = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_reads_the_metrics() {
    if !is_installed("a_server_reads_the_metrics") {
        return;
    }
    tracing_subscriber::registry()
        .with(cqrs_metrics::layer())
        .init();
    let prometheus = Prometheus::install().expect("it is the first one");
    let builder = Dispatcher::builder().module(gongs::module());
    let app = builder.store(Memory::new()).build().await.expect("builds");
    for _ in 0..3 {
        app.execute(Strike { gong: 1 }).await.expect("is struck");
    }
    app.wait_until_idle(LONG).await.expect("comes to rest");
    check(&prometheus.render(&app));

    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let target = listener.local_addr().expect("it is bound").to_string();
    let metrics = get(move || async move {
        let content_type = [(CONTENT_TYPE, Prometheus::CONTENT_TYPE)];
        (content_type, prometheus.render(&app))
    });
    let routes = Router::new().route("/metrics", metrics);
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });

    let server = Server::reading(&target);
    server
        .has(
            r#"cqrs_commands_total{command="Strike",outcome="done"}"#,
            "3",
        )
        .await;
    server
        .has(r#"cqrs_subscription_lag{subscription="gongs"}"#, "0")
        .await;
    server.has("sum(cqrs_command_seconds_count)", "3").await;
    for expression in expressions() {
        server.evaluate(&expression).await.expect("it answers");
    }
    serving.abort();
}

/// What the dashboard shows, for all processes.
fn expressions() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(include_str!("../dashboard.json")).expect("is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|it| it["targets"].as_array());
    let expressions = targets.flatten().filter_map(|it| it["expr"].as_str());
    let found: Vec<_> = expressions
        .map(|it| {
            it.replace("$instance", ".*")
                .replace("$__rate_interval", "1m")
        })
        .collect();
    assert!(found.len() > 10, "{found:?}");
    found
}
