use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use cqrs_core::Dispatcher;
use cqrs_http::jwt::BearerTokens;
use cqrs_metrics::Prometheus;
use cqrs_ops::Options;

use crate::args::ServeArgs;
use crate::call::Call;
use crate::error::CliError;
use crate::senders::{are_known, find_named, find_tokens};
use crate::user_role::UserRole;

/// The path of the page.
pub(crate) const PATH: &str = "/ops";

/// The operations page of a program that is served.
pub(crate) struct OperationsPage {
    options: Options,
    tokens: Option<BearerTokens>,
}

impl OperationsPage {
    /// # Errors
    /// If everybody who reaches the address could operate the program.
    pub(crate) fn new(
        title: &str,
        listen: SocketAddr,
        arguments: &ServeArgs,
        roles: &[UserRole],
    ) -> Result<Self, CliError> {
        if !are_known(arguments) && !listen.ip().is_loopback() {
            return Err(CliError::Invalid(format!(
                "everybody who reaches {listen} could operate the program: `--ops` needs `--token-audience` or \
                 `--actor-header`, or an address of this machine only, such as `--listen 127.0.0.1:{}`",
                listen.port()
            )));
        }
        Ok(Self {
            options: Options::new().title(title),
            tokens: find_tokens(arguments, roles)?,
        })
    }

    /// The page, for the operators among the senders of requests.
    pub(crate) fn router(
        self,
        arguments: &ServeArgs,
        call: &Call,
        prometheus: Option<Prometheus>,
        dispatcher: &Dispatcher,
    ) -> Router {
        let mut options = match self.tokens {
            Some(tokens) => self.options.actor(move |head| tokens.actor(head)),
            None => self.options.actor(find_named(arguments, call)),
        };
        if let Some(prometheus) = prometheus {
            options = options.metrics(move |app| prometheus.render(app));
        }
        let page = options.router(dispatcher.clone());
        if are_known(arguments) {
            return page;
        }
        page.layer(from_fn(from_this_machine))
    }
}

/// Admits requests whose address is that of this machine. Others come through a proxy, from elsewhere, or are of a site whose
/// name leads to this machine: its pages have the same origin as these, so nothing else would keep their forms out.
async fn from_this_machine(request: Request, next: Next) -> Response {
    if is_of_this_machine(request.headers(), request.uri()) {
        return next.run(request).await;
    }
    let text =
        "Without `--token-audience` and `--actor-header`, this page is at `localhost` only.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

fn is_of_this_machine(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = host.and_then(|host| host.parse::<Authority>().ok());
    let Some(authority) = uri.authority().or(named.as_ref()) else {
        return false;
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_admitted(host: &str) -> bool {
        let headers = [(HOST, host.parse().expect("is a value"))];
        is_of_this_machine(&headers.into_iter().collect(), &Uri::from_static("/ops"))
    }

    #[test]
    fn addresses_of_this_machine_are_no_names() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:80",
        ] {
            assert!(is_admitted(host), "{host}");
        }
        for host in [
            "shop.example:8080",
            "localhost.shop.example",
            "127.0.0.1.shop.example",
            "10.0.0.1",
            "[::2]",
            "",
            "a b",
        ] {
            assert!(!is_admitted(host), "{host}");
        }
        assert!(!is_of_this_machine(
            &HeaderMap::new(),
            &Uri::from_static("/ops")
        ));
    }
}
