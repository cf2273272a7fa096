//! Events that were recorded in an earlier version, or under an earlier name, in their present form.
//!
//! They are converted where they come out of the log, so aggregates, projections, reactions and histories never
//! see an old one. The log itself is never changed.

mod conversions;
mod log;
mod transactions;

use std::sync::Arc;

use crate::registry::{EventEntry, UpcasterEntry};
use crate::store::EventLog;
pub(crate) use conversions::Conversions;
use log::UpcastLog;

/// The log with its events in their present form. Without anything to convert, the log itself.
pub(crate) fn upcast(
    log: &Arc<dyn EventLog>,
    events: &[&'static EventEntry],
    upcasters: &[&'static UpcasterEntry],
) -> Arc<dyn EventLog> {
    let conversions = Conversions::new(events, upcasters);
    if conversions.is_empty() {
        return log.clone();
    }
    Arc::new(UpcastLog::new(log.clone(), conversions))
}
