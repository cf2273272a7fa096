use cqrs_umadb::UmaDb;

use crate::support::umadb::Log;

cqrs_conformance::conformance_tests! { @log match Log::fresh("conformance", UmaDb::options()) {
        Some(log) => log,
        None => return,
    } =>
    i2_one_of_many_wins_a_boundary
    i2_one_of_many_wins_the_log
    i2_overlapping_boundaries_exclude_each_other
    i2_a_stale_boundary_is_refused
    i2_what_follows_a_refused_append_is_refused
    i3_positions_are_contiguous
    i4_nothing_appears_below_what_was_seen
    i4_what_is_at_hand_is_what_was_stored
    i4_what_was_read_never_changes
    i5_a_slow_read_sees_one_snapshot
    i5_as_of_tells_what_was_seen
    i5_a_read_may_end_earlier
    i6_one_id_has_one_effect
    i6_one_id_sent_at_once_has_one_effect
    i6_two_bodies_at_once_under_one_id
    i6_sending_again_settles_a_lost_answer
    i6_repeated_and_new_commands_come_together
    i8_the_log_goes_on_after_a_restart
    i8_boundaries_hold_across_a_restart
    i9_several_processes_decide
    i9_a_process_knows_what_another_wrote
    i10_a_stale_boundary_without_evidence_holds
    i10_a_boundary_begins_after_its_position
    i10_unrelated_commands_do_not_conflict
    i10_a_loser_is_no_evidence
    i10_conflicts_are_those_of_the_specification
    i10_an_empty_item_matches_everything
    i11_a_bad_command_fails_alone
    a_command_without_events_has_a_boundary
    reads_are_those_of_the_specification
    reads_go_on_page_by_page
    pages_are_bounded_by_bytes
    tags_match_whole
    folds_get_the_events_of_the_specification
    watchers_are_told
    a_time_has_a_position
    limits_are_named
}
