use std::fmt;

/// The actor may not send this message, or read this aggregate or the log.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{who} may not {action} `{message}`: {reason}", who = .actor.as_deref().unwrap_or("an unknown actor"))]
pub struct Denied {
    /// The action that needs the permission.
    pub action: Action,
    /// The name of the message, the name of the aggregate in tags, or `events` for the log.
    pub message: &'static str,
    /// The actor, if the call named one.
    pub actor: Option<String>,
    /// The reason.
    pub reason: String,
}

crate::debug_as_report!(Denied);

/// An action that needs a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// To send a command or ask a query.
    Send,
    /// To read the state and history of an aggregate, or the log.
    Read,
    /// To operate projections, reactions and process managers.
    Operate,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Operate => "operate",
        })
    }
}
