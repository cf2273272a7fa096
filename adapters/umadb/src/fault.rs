use cqrs_core::store::{AppendError, StoreError};

use crate::grpc::Status;

/// Reasons that a request to the server failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server was not reached.
    Unavailable(String),
    /// The request may have taken effect.
    InDoubt(String),
    /// The server refused the request.
    Status(Status),
    /// The server's data cannot be read.
    Corrupt(String),
}

impl Status {
    /// Whether the same request gets the same answer. Unknown for internal and I/O errors, because
    /// UmaDB reports them to every append of a batch.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(
            self.code,
            Self::INVALID_ARGUMENT
                | Self::FAILED_PRECONDITION
                | Self::DATA_LOSS
                | Self::UNAUTHENTICATED
                | Self::UNIMPLEMENTED
        )
    }

    /// Remedy for an error of the server.
    pub(crate) fn explained(&self) -> String {
        let Self { code, message } = self;
        match *code {
            Self::UNAUTHENTICATED => format!("UmaDB wants its API key: set `api_key` ({message})"),
            Self::UNIMPLEMENTED => format!("this server is not UmaDB 0.7 ({message})"),
            _ => format!("UmaDB answers with error {code}: {message}"),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(reason) | Fault::InDoubt(reason) => Self::Unavailable {
                reason: reason.into(),
            },
            Fault::Corrupt(reason) => Self::Corrupt {
                reason: reason.into(),
            },
            Fault::Status(status) if status.code == Status::DATA_LOSS => Self::Corrupt {
                reason: status.explained().into(),
            },
            Fault::Status(status) => Self::Unavailable {
                reason: status.explained().into(),
            },
        }
    }
}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::InDoubt(reason) => Self::Indeterminate {
                reason: reason.into(),
            },
            Fault::Status(status) if status.code == Status::INVALID_ARGUMENT => Self::Invalid {
                reason: status.message,
            },
            fault => Self::Store(fault.into()),
        }
    }
}
