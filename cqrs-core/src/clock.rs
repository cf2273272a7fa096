use std::fmt;
use std::sync::Arc;

use crate::Timestamp;

/// Source of a dispatcher's time.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time, truncated to the microsecond precision of stores.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
