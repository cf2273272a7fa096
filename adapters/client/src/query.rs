use std::convert::Infallible;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use cqrs_core::Query;
use cqrs_core::app::{Bookmark, Receipt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attempts;
use crate::client::Client;
use crate::error::ClientError;

/// The header of what a query's read models have to include.
pub(crate) const MIN_POSITION: &str = "min-position";

/// A query with its options, which `.await` asks.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<'c, Q> {
    client: &'c Client,
    query: Q,
    after: Vec<Bookmark>,
}

impl<'c, Q: Query> QueryCall<'c, Q> {
    pub(crate) fn new(client: &'c Client, query: Q) -> Self {
        Self {
            client,
            query,
            after: Vec::new(),
        }
    }

    /// Waits until the read models have the effects of a command.
    pub fn after(self, receipt: &Receipt) -> Self {
        self.after_bookmark(receipt.bookmark())
    }

    /// Waits until the read models have everything up to a bookmark.
    pub fn after_bookmark(mut self, bookmark: Bookmark) -> Self {
        self.after.push(bookmark);
        self
    }
}

impl<'c, Q> IntoFuture for QueryCall<'c, Q>
where
    Q: Query<Output: DeserializeOwned> + Serialize,
{
    type Output = Result<Q::Output, ClientError<Infallible>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            client,
            query,
            after,
        } = self;
        Box::pin(async move {
            let sent = attempts::send(client, || {
                let mut request = client.post("queries", Q::NAME).json(&query);
                for bookmark in &after {
                    request = request.header(MIN_POSITION, bookmark.to_string());
                }
                request
            });
            attempts::read(client, sent.await?).await
        })
    }
}
