//! The promises of a [`ViewStore`](cqrs_core::store::ViewStore).

mod checkpoints;
mod client;
mod scans;

pub use checkpoints::{
    a_batch_from_elsewhere_is_fenced, a_load_sees_what_was_committed_before,
    one_of_many_workers_commits, views_and_checkpoint_are_seen_together,
    views_are_written_with_their_checkpoint,
};
pub use scans::{
    scans_are_those_of_the_specification, scans_follow_changes, scans_see_one_snapshot,
};
