use std::sync::Arc;

use cqrs_core::CommandId;
use uuid::Uuid;

use crate::error::ConnectError;
use crate::grpc::{CallError, Target};
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::options::Options;
use crate::store::UmaDb;

const DEFAULT_PORT: u16 = 50051;

impl Options {
    /// Connects to the server at a URL, `umadb://host:port`. The port defaults to 50051.
    ///
    /// # Errors
    /// The URL cannot be read, there is no server, it does not answer within
    /// [`answer_timeout`](Self::answer_timeout), or it refuses the API key.
    pub async fn connect(self, url: &str) -> Result<UmaDb, ConnectError> {
        let Self {
            api_key,
            queue,
            answer_timeout,
            retry_timeout,
        } = self;
        if let Some(key) = &api_key
            && !key.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ConnectError::ApiKey);
        }
        let authority = authority(url).map_err(|reason| ConnectError::Url { reason })?;
        let target = Target { authority, api_key };
        let log = Arc::new(KnownLog::new(log_id(&target.authority)));
        let link = Link::new(target, answer_timeout, retry_timeout, log.clone());
        match link.connection().await {
            Ok(_) => Ok(UmaDb::new(Arc::new(link), log, queue)),
            Err(CallError::Status(status)) => Err(ConnectError::Refused {
                reason: status.explained(),
            }),
            Err(CallError::NotSent(reason) | CallError::Lost(reason)) => {
                let reason = format!("{}: {reason}", link.authority());
                Err(ConnectError::Unreachable { reason })
            }
        }
    }
}

/// The same for all logs of this process at one address.
fn log_id(authority: &str) -> Uuid {
    CommandId::derived("umadb", authority.as_bytes()).as_uuid()
}

/// The host and port of a URL.
fn authority(url: &str) -> Result<String, String> {
    let Some(rest) = url.strip_prefix("umadb://") else {
        return Err("it does not begin with `umadb://`".into());
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let uri: http::uri::Authority = authority.parse().map_err(|error| format!("{error}"))?;
    if authority.contains('@') {
        return Err("it has a user: give the key as `api_key`".into());
    }
    let port = match uri.port_u16() {
        Some(port) => port,
        None if uri.as_str() == uri.host() => DEFAULT_PORT,
        None => return Err("its port is not a number up to 65535".into()),
    };
    Ok(format!("{}:{port}", uri.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_and_perhaps_a_port() {
        assert_eq!(authority("umadb://[::1]:7").as_deref(), Ok("[::1]:7"));
        assert_eq!(authority("umadb://host/").as_deref(), Ok("host:50051"));
        for wrong in [
            "http://host",
            "umadb://",
            "umadb://host:x",
            "umadb://host/db",
            "umadb://a@host",
        ] {
            assert!(authority(wrong).is_err(), "{wrong}");
        }
    }
}
