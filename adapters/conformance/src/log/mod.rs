//! The promises of an [`EventLog`](cqrs_core::store::EventLog).

mod atomic;
mod boundary;
mod client;
mod command_id;
mod conflict_evidence;
mod custom_metadata;
mod draft;
mod durable;
mod empty;
mod fold_reads;
mod invalid_input;
mod limits;
mod order;
mod pipelining;
mod processes;
mod random;
mod reads;
mod snapshot;
mod states;
mod tail;
mod times;
mod type_counts;

pub use atomic::{
    i1_a_dropped_append_is_done_or_not, i1_a_refused_append_leaves_no_trace, i1_an_append_is_whole,
};
pub use boundary::{
    i2_a_stale_boundary_is_refused, i2_every_part_of_a_condition_counts,
    i2_one_of_many_wins_a_boundary, i2_one_of_many_wins_the_log,
    i2_overlapping_boundaries_exclude_each_other,
};
pub use command_id::{
    i6_a_repeated_command_does_not_conflict, i6_an_assigned_id_has_one_effect,
    i6_an_assigned_id_may_be_overtaken, i6_an_assigned_id_may_be_overtaken_without_events,
    i6_an_assigned_id_sent_at_once_has_one_effect, i6_an_id_is_remembered_however_many_follow,
    i6_an_unknown_id_is_found_once_it_is_recorded, i6_one_id_has_one_effect,
    i6_one_id_sent_at_once_has_one_effect, i6_repeated_and_new_commands_come_together,
    i6_sending_again_settles_a_lost_answer, i6_two_bodies_at_once_under_one_id,
};
pub use conflict_evidence::{
    i10_a_boundary_begins_after_its_position, i10_a_loser_is_no_evidence,
    i10_a_stale_boundary_without_evidence_holds, i10_an_empty_item_matches_everything,
    i10_conflicts_are_those_of_the_specification, i10_unrelated_commands_do_not_conflict,
};
pub use custom_metadata::i12_custom_metadata_is_that_of_its_command;
pub use durable::{
    i7_acknowledged_survives_a_restart, i8_a_position_above_the_head_is_rewound,
    i8_boundaries_hold_across_a_restart, i8_the_log_goes_on_after_a_restart,
};
pub use empty::{
    a_command_without_events_has_a_boundary, a_command_without_events_is_recorded,
    a_command_without_events_may_write_a_state, commands_with_and_without_events_come_together,
};
pub use fold_reads::{
    folds_get_the_events_of_the_specification, pages_of_folds_are_bounded_by_bytes,
};
pub use invalid_input::{
    i11_a_bad_command_fails_alone, i12_accepted_events_are_read_back_after_a_restart,
    i12_equal_events_are_kept_with_their_metadata, i12_odd_content_is_kept_or_refused,
};
pub use limits::limits_can_be_reached;
pub use order::{
    i3_positions_are_contiguous, i3_positions_are_in_commit_order,
    i4_nothing_appears_below_what_was_seen, i4_what_was_read_never_changes,
};
pub use pipelining::{
    i2_an_append_that_follows_may_be_overtaken, i2_appends_follow_each_other,
    i2_what_follows_a_refused_append_is_refused, i2_what_follows_a_taken_or_repeated_id_is_refused,
    i2_what_was_not_recorded_cannot_be_followed,
};
pub use processes::{
    i9_a_process_knows_what_another_wrote, i9_several_processes_decide,
    i9_several_processes_write_a_state,
};
pub use reads::{
    heads_are_told, pages_are_bounded_by_bytes, reads_are_those_of_the_specification,
    reads_go_on_page_by_page, tags_match_whole,
};
pub use snapshot::{
    i5_a_read_may_end_earlier, i5_a_slow_read_sees_one_snapshot, i5_as_of_tells_what_was_seen,
};
pub use states::{
    a_stale_state_is_a_conflict, one_of_many_writes_a_state, states_are_written_with_events,
};
pub use tail::i4_the_tail_is_what_was_recorded;
pub use times::{a_time_has_a_position, recorded_times_are_sent_or_raised, times_never_decrease};
pub use type_counts::other_types_are_counted;
