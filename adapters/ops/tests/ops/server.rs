//! A server on loopback, for the time of a test.

use std::net::SocketAddr;

use cqrs_core::{Actor, Dispatcher};
use cqrs_http::Unauthenticated;
use cqrs_ops::Options;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct Server {
    pub address: SocketAddr,
    client: Client,
    task: JoinHandle<()>,
}

/// Options by which the header `X-May` says what Ann may do. Without it, the sender is not known.
pub fn options() -> Options {
    Options::new().title("Parcels").actor(|head| {
        let may = head.headers.get("x-may").and_then(|it| it.to_str().ok());
        let may = may.ok_or_else(|| Unauthenticated {
            reason: "nobody is known".into(),
            challenge: "X-May",
        })?;
        let ann = may.split(' ').fold(Actor::new("ann"), Actor::with);
        Ok(Some(ann))
    })
}

/// Metrics of commands, of which the number that were done is the position of the log.
pub const METRICS: &str = "\
cqrs_commands_total{command=\"SendParcel\",outcome=\"done\"} POSITION
cqrs_commands_total{command=\"SendParcel\",outcome=\"refused\"} 30
cqrs_commands_total{command=\"SendParcel\",outcome=\"conflict\"} 4
cqrs_commands_total{command=\"SendParcel\",outcome=\"failed\"} 7
cqrs_command_seconds_bucket{command=\"SendParcel\",le=\"0.01\"} 1000
cqrs_command_seconds_bucket{command=\"SendParcel\",le=\"+Inf\"} 1241
";

/// Options by which everybody is Ann, who may do everything, for a browser.
pub fn open() -> Options {
    let options = Options::new().title("Parcels").actor(|_| {
        let all = ["operations:read", "operations:write", "log:read"];
        Ok(Some(all.into_iter().fold(Actor::new("ann"), Actor::with)))
    });
    options.metrics(|app| METRICS.replace("POSITION", &app.health().head.to_string()))
}

impl Server {
    pub async fn start(options: Options, dispatcher: Dispatcher) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("has an address");
        // Below a parameter of the application.
        let routes = axum::Router::new().nest("/shops/{tenant}/ops", options.router(dispatcher));
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serves");
        });
        let client = Client::builder().no_proxy().redirect(Policy::none());
        Self {
            address,
            client: client.build().expect("a client"),
            task,
        }
    }

    /// The address of a page.
    pub fn url(&self, page: &str) -> String {
        format!("http://{}/shops/acme/ops{page}", self.address)
    }

    /// A request of somebody who may look.
    pub fn get(&self, page: &str) -> RequestBuilder {
        self.client
            .get(self.url(page))
            .header("x-may", "operations:read")
    }

    /// A page for somebody who may do all.
    pub fn page(&self, page: &str) -> RequestBuilder {
        let may = "operations:read operations:write log:read";
        self.client.get(self.url(page)).header("x-may", may)
    }

    /// A form, without the headers of a browser.
    pub fn post(&self, may: &str, form: &'static str) -> RequestBuilder {
        let request = self.client.post(self.url("/change")).header("x-may", may);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(form)
    }

    /// A form of one of the pages, as a browser sends it.
    pub fn change(&self, form: &'static str) -> RequestBuilder {
        let request = self.post("operations:read operations:write", form);
        request.header("sec-fetch-site", "same-origin")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("is answered")
}

/// The status and the text of an answer.
pub async fn text(request: RequestBuilder) -> (u16, String) {
    let response = send(request).await;
    let status = response.status().as_u16();
    (status, response.text().await.expect("has a body"))
}

/// Makes a change, and returns the page that it leads to.
pub async fn made(server: &Server, form: &'static str) -> String {
    let response = send(server.change(form)).await;
    assert_eq!(
        response.status(),
        303,
        "{}",
        response.text().await.unwrap_or_default()
    );
    let next = response.headers()["location"].to_str().expect("is a text");
    let page = next
        .strip_prefix("/shops/acme/ops")
        .expect("is one of the pages");
    let (status, page) = text(server.page(page)).await;
    assert_eq!(status, 200, "{page}");
    page
}
