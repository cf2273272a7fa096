use std::future::{Future, IntoFuture};
use std::pin::Pin;

use cqrs_core::app::Receipt;
use cqrs_core::{Command, Uuid};
use serde::Serialize;

use crate::attempts;
use crate::client::Client;
use crate::error::{ClientError, Rejection};

/// The header of a command's id.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A command with its options, which `.await` sends.
#[must_use = "a command is sent when the call is awaited"]
pub struct ExecuteCall<'c, C> {
    client: &'c Client,
    command: C,
    id: Option<String>,
}

impl<'c, C: Command> ExecuteCall<'c, C> {
    pub(crate) fn new(client: &'c Client, command: C) -> Self {
        Self {
            client,
            command,
            id: None,
        }
    }

    /// Sets the command's id. A command that is sent again under its id, also by another process, is carried out once, and
    /// gets the same receipt. A UUID is the id as it is, and any other text is one of this sender. Defaults to a random
    /// UUID.
    pub fn id(self, id: impl Into<String>) -> Self {
        let id = Some(id.into());
        Self { id, ..self }
    }
}

impl<'c, C> IntoFuture for ExecuteCall<'c, C>
where
    C: Command + Serialize,
{
    type Output = Result<Receipt, ClientError<C::Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            client,
            command,
            id,
        } = self;
        // The same for each attempt.
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        Box::pin(async move {
            let sent = attempts::send(client, || {
                let request = client.post("commands", C::NAME);
                request.header(IDEMPOTENCY_KEY, &id).json(&command)
            });
            match sent.await {
                Ok(response) => attempts::read(client, response).await,
                Err(ClientError::Refused(problem)) if problem.rejected().is_some() => {
                    Err(ClientError::Rejected(Rejection::new(problem)))
                }
                Err(error) => Err(error),
            }
        })
    }
}
