//! gRPC over one HTTP/2 connection: unary calls and server streams, the only kinds that UmaDB has.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::{self, SendRequest};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Version};
use prost::Message;
use tokio::net::TcpStream;

/// Maximum size in bytes of a message that the server accepts.
pub(crate) const MAX_REQUEST: usize = 4 << 20;

/// Maximum size in bytes of a message of the server: it fills its own up to 3.5 MiB, and exceeds
/// that only with an event that fitted into a request.
const MAX_RESPONSE: usize = MAX_REQUEST + (64 << 10);

/// A compression flag and the length of the message.
const PREFIX: usize = 5;

/// A server's address and the headers sent with each request.
pub(crate) struct Target {
    pub(crate) authority: String,
    pub(crate) api_key: Option<String>,
}

/// Reasons that a call has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server did not get the request.
    NotSent(String),
    /// The connection was lost after the request may have been sent.
    Lost(String),
    /// The server answered with an error.
    Status(Status),
}

/// An error as gRPC servers report it.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Status {
    pub(crate) const INVALID_ARGUMENT: u32 = 3;
    /// An append whose condition or tracking position does not hold.
    pub(crate) const FAILED_PRECONDITION: u32 = 9;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const DATA_LOSS: u32 = 15;
    pub(crate) const UNAUTHENTICATED: u32 = 16;
}

/// One connection, which is not reopened once it is lost. Clones share it.
#[derive(Clone)]
pub(crate) struct Channel {
    target: Arc<Target>,
    requests: SendRequest<Bytes>,
    is_closed: Arc<AtomicBool>,
}

impl Channel {
    pub(crate) async fn open(target: Arc<Target>) -> Result<Self, String> {
        let stream = TcpStream::connect(&target.authority)
            .await
            .map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        let (requests, connection) = client::Builder::new()
            .initial_window_size(4 << 20)
            .initial_connection_window_size(8 << 20)
            .handshake::<_, Bytes>(stream)
            .await
            .map_err(|error| error.to_string())?;
        let is_closed = Arc::new(AtomicBool::new(false));
        let closes = is_closed.clone();
        tokio::spawn(async move {
            // Calls that wait for an answer get the error.
            let _ = connection.await;
            closes.store(true, Ordering::Release);
        });
        Ok(Self {
            target,
            requests,
            is_closed,
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Ends the use of a connection on which the server does not answer.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// A call with one answer.
    pub(crate) async fn unary<M: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<M, CallError> {
        let mut messages = self.stream(method, request).await?;
        let message = messages.next().await?;
        // Until the status has come, the answer may still be an error.
        while messages.next().await?.is_some() {}
        message.ok_or_else(|| CallError::Lost(format!("{method} was answered without a message")))
    }

    /// A call with any number of answers.
    pub(crate) async fn stream<M: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<Messages<M>, CallError> {
        let refused = |error: h2::Error| self.refused(&error);
        let mut requests = self.requests.clone().ready().await.map_err(refused)?;
        let head = self.request(method).map_err(not_sent)?;
        let (response, mut body) = requests.send_request(head, false).map_err(refused)?;
        body.send_data(framed(request), true).map_err(lost)?;
        let (head, body) = response.await.map_err(lost)?.into_parts();
        if !head.status.is_success() {
            return Err(CallError::Lost(format!("HTTP status {}", head.status)));
        }
        // An error without an answer has its status in the headers.
        status(&head.headers).unwrap_or(Ok(()))?;
        Ok(Messages {
            body,
            received: BytesMut::new(),
            message: PhantomData,
        })
    }

    /// The connection takes no more requests: its runtime has ended, its stream ids are used up, or
    /// the server lets it finish what it has. That can take as long as a subscription, so the next
    /// call opens another connection.
    fn refused(&self, error: &h2::Error) -> CallError {
        self.close();
        not_sent(error)
    }

    fn request(&self, method: &str) -> http::Result<Request<()>> {
        let Target { authority, api_key } = &*self.target;
        let mut request = Request::post(format!("http://{authority}/umadb.v1.DCB/{method}"))
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(key) = api_key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        request.body(())
    }
}

/// The answers to a call. The server stops sending when this is dropped.
pub(crate) struct Messages<M> {
    body: RecvStream,
    received: BytesMut,
    message: PhantomData<M>,
}

impl<M: Message + Default> Messages<M> {
    /// The next answer, `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<M>, CallError> {
        loop {
            if let Some(message) = self.decode()? {
                return Ok(Some(message));
            }
            match self.body.data().await {
                Some(chunk) => {
                    let chunk = chunk.map_err(lost)?;
                    let flow = self.body.flow_control();
                    flow.release_capacity(chunk.len()).map_err(lost)?;
                    self.received.extend_from_slice(&chunk);
                }
                None => return self.end().await.map(|()| None),
            }
        }
    }

    fn decode(&mut self) -> Result<Option<M>, CallError> {
        let Some(mut prefix) = self.received.get(..PREFIX) else {
            return Ok(None);
        };
        let compression = prefix.get_u8();
        let length = prefix.get_u32() as usize;
        if compression != 0 || length > MAX_RESPONSE {
            let what = format!("a message of {length} bytes, compression {compression}");
            return Err(CallError::Lost(what));
        }
        if self.received.len() < PREFIX + length {
            self.received.reserve(PREFIX + length - self.received.len());
            return Ok(None);
        }
        self.received.advance(PREFIX);
        let message = M::decode(self.received.split_to(length).freeze());
        message
            .map(Some)
            .map_err(|error| CallError::Lost(format!("a message cannot be read: {error}")))
    }

    async fn end(&mut self) -> Result<(), CallError> {
        let trailers = self.body.trailers().await.map_err(lost)?;
        let status = trailers.as_ref().and_then(status);
        if !self.received.is_empty() {
            return Err(CallError::Lost("an answer ended within a message".into()));
        }
        status.unwrap_or_else(|| Err(CallError::Lost("an answer without a status".into())))
    }
}

fn not_sent(error: impl ToString) -> CallError {
    CallError::NotSent(error.to_string())
}

/// A stream that the server refused was not processed.
fn lost(error: h2::Error) -> CallError {
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if error.is_reset() => CallError::NotSent(error.to_string()),
        _ => CallError::Lost(error.to_string()),
    }
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // A `BytesMut` grows, so there is always room.
    let _ = message.encode(&mut frame);
    frame.freeze()
}

/// The status in the headers, `None` if they have none.
fn status(headers: &HeaderMap) -> Option<Result<(), CallError>> {
    // A code that is not a number counts as 2, an unknown error.
    let code = headers
        .get("grpc-status")?
        .to_str()
        .ok()
        .and_then(|code| code.parse().ok())
        .unwrap_or(2);
    if code == 0 {
        return Some(Ok(()));
    }
    let message = headers
        .get("grpc-message")
        .map_or(String::new(), |text| unescaped(text.as_bytes()));
    Some(Err(CallError::Status(Status { code, message })))
}

/// Decodes the percent-encoding of `grpc-message`. Malformed sequences are kept unchanged.
fn unescaped(text: &[u8]) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%');
        let digits = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_errors_are_unescaped_and_malformed_ones_kept() {
        assert_eq!(unescaped(b"100%25 of %C3%BC"), "100% of ü");
        assert_eq!(unescaped(b"50% or %zz, %4"), "50% or %zz, %4");
    }

    #[test]
    fn a_status_without_a_number_is_an_unknown_error() {
        let mut headers = HeaderMap::new();
        assert!(status(&headers).is_none());
        headers.insert("grpc-status", "many".parse().expect("a value"));
        let Some(Err(CallError::Status(status))) = status(&headers) else {
            panic!("it is an error");
        };
        assert_eq!(status.code, 2);
    }
}
