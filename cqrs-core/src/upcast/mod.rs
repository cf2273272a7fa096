//! Events that were recorded in an earlier version, or under an earlier name, in their present form.
//!
//! They are converted where they come out of the log, so aggregates, projections, reactions and histories never
//! see an old one. The log itself is never changed. An aggregate that was renamed keeps its name there.

mod conversions;
mod log;
mod name_table;
mod states;
mod tag_names;
mod transactions;

use std::sync::Arc;

use crate::store::EventLog;
pub(crate) use conversions::Conversions;
use log::UpcastLog;
pub(crate) use tag_names::TagNames;

/// The log with its events in their present form. Without anything to convert, the log itself.
pub(crate) fn upcast(log: &Arc<dyn EventLog>, conversions: &Arc<Conversions>) -> Arc<dyn EventLog> {
    if conversions.is_empty() {
        return log.clone();
    }
    Arc::new(UpcastLog {
        log: log.clone(),
        conversions: conversions.clone(),
    })
}
