use std::fmt;

/// A part of the work that a process takes on. See [`Builder::roles`](crate::app::Builder::roles).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Carries out commands of the program. Those that reactions send belong to
    /// [`Reactions`](Self::Reactions).
    Commands,
    /// Answers queries of the program.
    Queries,
    /// Handles events of projections.
    Projections,
    /// Handles events of reactions and process managers, with the commands and queries that they send, and
    /// records the events of deadlines.
    Reactions,
}

impl Role {
    /// All roles: those of a process by default.
    pub const ALL: [Self; 4] = [
        Self::Commands,
        Self::Queries,
        Self::Projections,
        Self::Reactions,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Queries => "queries",
            Self::Projections => "projections",
            Self::Reactions => "reactions",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
