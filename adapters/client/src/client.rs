use std::time::Duration;

use cqrs_core::{Command, Query};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};

use crate::command::ExecuteCall;
use crate::query::QueryCall;
use crate::watch::Watch;

/// The patience of a client that has no other one.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that is served over HTTP. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    patience: Duration,
}

/// A client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoClient {
    /// The address is none of a server.
    #[error("`{address}` is no address of a server, such as `https://shop.example/api`")]
    Address {
        /// The address.
        address: String,
    },
    /// The token has characters that a header cannot have.
    #[error("the token is no value of a header")]
    Token,
    /// The connections cannot be set up.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

impl Client {
    /// A client of the program whose routes are below this address.
    pub fn new(address: &str) -> Result<Self, NoClient> {
        Self::with(reqwest::Client::builder().build()?, address)
    }

    /// The same with connections that are set up otherwise: with certificates, a proxy, or other time limits.
    pub fn with(http: reqwest::Client, address: &str) -> Result<Self, NoClient> {
        let no_address = || NoClient::Address {
            address: address.to_owned(),
        };
        let mut base = Url::parse(address).map_err(|_| no_address())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(no_address());
        }
        // Otherwise its last part would be replaced by the route.
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self {
            http,
            base,
            headers: HeaderMap::new(),
            patience: PATIENCE,
        })
    }

    /// Sends this token with each request (RFC 6750).
    pub fn bearer(mut self, token: &str) -> Result<Self, NoClient> {
        let mut header =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| NoClient::Token)?;
        // It is not shown in logs.
        header.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, header);
        Ok(self)
    }

    /// Sets the time for which a request is repeated if the server cannot be reached, is busy, or does not answer.
    /// Defaults to 30 seconds. With zero, each request is sent once.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a command.
    pub fn execute<C: Command>(&self, command: C) -> ExecuteCall<'_, C> {
        ExecuteCall::new(self, command)
    }

    /// Asks a query.
    pub fn query<Q: Query>(&self, query: Q) -> QueryCall<'_, Q> {
        QueryCall::new(self, query)
    }

    /// Asks a query, and again each time that its answer has changed.
    pub fn watch<Q: Query>(&self, query: Q) -> Watch<Q> {
        Watch::new(self.clone(), query)
    }

    /// A request to a route, such as `commands/Buy`.
    pub(crate) fn post(&self, kind: &str, name: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        // An address that can be a base has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([kind, name]);
        }
        let request = self.http.request(Method::POST, url);
        request.headers(self.headers.clone())
    }

    /// The address, for errors: without what may be secret.
    pub(crate) fn server(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    pub(crate) fn longest(&self) -> Duration {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_below_the_address() {
        for address in ["http://shop.example/api", "http://shop.example/api/"] {
            let client = Client::new(address).expect("is an address");
            let request = client.post("commands", "a/b c").build().expect("is one");
            assert_eq!(request.url().path(), "/api/commands/a%2Fb%20c");
        }
        let client = Client::new("http://ann:secret@shop.example").expect("is an address");
        assert_eq!(client.server(), "http://shop.example");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in [
            "shop.example",
            "ftp://shop.example",
            "mailto:ann@shop.example",
            "",
        ] {
            let error = Client::new(address).expect_err("is refused");
            assert!(
                error.to_string().contains("is no address of a server"),
                "{error}"
            );
        }
        let client = Client::new("http://shop.example").expect("is an address");
        let error = client.clone().bearer("a\nb").expect_err("is refused");
        assert_eq!(error.to_string(), "the token is no value of a header");
        let client = client.bearer("s3cret").expect("is a token");
        assert!(!format!("{client:?}").contains("s3cret"), "{client:?}");
    }
}
