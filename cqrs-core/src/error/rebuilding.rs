use std::fmt;
use std::time::Duration;

use crate::store::Position;

/// A query cannot be answered yet: the version of a projection is being built, and no other one has read
/// models with the same fields. Send it to a process that is [ready](crate::Dispatcher::readiness), or again
/// later.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {version} of projection `{projection}` is being built: {progress}")]
#[non_exhaustive]
pub struct Rebuilding {
    /// Name of the projection.
    pub projection: &'static str,
    /// The version of this program.
    pub version: u32,
    /// How far it is.
    pub progress: RebuildProgress,
}

crate::debug_as_report!(Rebuilding);

/// How far a version of a projection is on its way to the head of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Position up to which every event is folded.
    pub position: Position,
    /// The head of the log, as far as this process knows.
    pub head: Position,
    /// Number of positions per second of late. `None` as long as it is not known.
    pub per_second: Option<u64>,
    /// Time until it is at the head, at this rate. `None` if it stands still, or the rate is not known.
    pub remaining: Option<Duration>,
}

impl RebuildProgress {
    pub(crate) fn new(position: Position, head: Position, per_second: Option<u64>) -> Self {
        let left = head.since(position);
        let seconds = match (left, per_second) {
            (0, _) => Some(0),
            (_, None | Some(0)) => None,
            (left, Some(per_second)) => Some(left.div_ceil(per_second)),
        };
        Self {
            position,
            head,
            per_second,
            remaining: seconds.map(Duration::from_secs),
        }
    }
}

impl fmt::Display for RebuildProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            position,
            head,
            per_second,
            remaining,
        } = self;
        write!(f, "at position {position} of {head}")?;
        if let Some(per_second) = per_second {
            write!(f, ", {per_second} per second")?;
        }
        match remaining {
            Some(remaining) => write!(f, ", {} s left", remaining.as_secs()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_time_follows_from_the_rate() {
        let progress = |at, rate| RebuildProgress::new(Position::new(at), Position::new(100), rate);
        let remaining = progress(40, Some(20)).remaining;
        assert_eq!(remaining, Some(Duration::from_secs(3)));
        assert_eq!(progress(40, Some(0)).remaining, None);
        assert_eq!(progress(40, None).remaining, None);
        assert_eq!(progress(100, None).remaining, Some(Duration::ZERO));
        assert_eq!(
            progress(40, Some(20)).to_string(),
            "at position 40 of 100, 20 per second, 3 s left"
        );
        assert_eq!(
            progress(40, Some(0)).to_string(),
            "at position 40 of 100, 0 per second"
        );
        assert_eq!(progress(40, None).to_string(), "at position 40 of 100");
    }
}
