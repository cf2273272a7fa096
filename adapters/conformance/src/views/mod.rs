//! The promises of a [`ViewStore`](cqrs_core::store::ViewStore), V1 to V4.

mod by_position;
mod checkpoint;
mod client;
mod divisions;
mod draft;
mod fence;
mod halts;
mod many;
mod parking;
mod replacements;
mod scan;
mod shards;
mod specification;
mod versions;
mod visible;

pub use by_position::{
    v1_a_view_is_written_only_by_a_higher_position, v2_the_checkpoint_moves_last_and_is_fenced,
};
pub use checkpoint::{
    i12_a_view_is_read_back_as_it_was_written, v1_a_checkpoint_has_its_last_event,
    v1_views_and_checkpoint_are_seen_together, v1_views_are_written_with_their_checkpoint,
};
pub use divisions::{
    v1_a_division_keeps_what_each_slice_has_done, v2_a_division_fences_former_owners,
    v2_a_division_keeps_halts, v2_divisions_and_claims_exclude_each_other,
};
pub use fence::{
    v2_a_batch_from_another_checkpoint_writes_nothing, v2_one_of_many_workers_commits,
};
pub use halts::{
    v2_a_halt_is_fenced, v2_a_halted_shard_is_claimed_by_nobody,
    v2_a_moved_checkpoint_fences_its_owner,
};
pub use many::{
    v1_each_subscription_has_its_own_checkpoint, v3_many_views_are_loaded_at_once,
    v4_the_longest_keys_and_values_are_told_apart,
};
pub use parking::{
    v1_a_division_keeps_parked_keys, v1_parked_keys_change_with_their_checkpoint,
    v2_a_checkpoint_that_moves_back_removes_later_keys,
    v2_a_commit_that_finds_other_parked_keys_writes_nothing, v2_a_release_fences_the_owner,
};
pub use replacements::{
    v2_seized_shards_fence_their_owners, v2_views_that_were_built_again_replace_others,
};
pub use scan::{v4_rows_and_total_are_of_one_snapshot, v4_scans_follow_changes};
pub use shards::{
    v1_a_roster_has_the_shards_that_were_asked_for, v2_a_commit_in_an_earlier_epoch_writes_nothing,
    v2_a_shard_has_one_owner, v2_one_of_many_processes_gets_a_shard,
};
pub use specification::v4_scans_are_those_of_the_specification;
pub use versions::{
    v1_a_version_is_kept_as_it_was_registered, v2_a_version_in_use_is_not_removed,
    v2_one_of_many_versions_is_the_first, v2_one_version_is_live,
};
pub use visible::{v3_a_load_sees_earlier_commits, v3_visible_commits_are_seen_by_every_process};
