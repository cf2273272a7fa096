//! Reading: pages of events, views, and the queries of handlers.

pub(crate) mod coalescer;
pub(crate) mod event_sizes;
pub(crate) mod events;
pub(crate) mod first_loads;
pub(crate) mod first_page;
pub(crate) mod fold;
pub(crate) mod head;
mod page_rows;
pub(crate) mod query_tx;
pub(crate) mod replica;
pub(crate) mod view_loads;
pub(crate) mod views;
