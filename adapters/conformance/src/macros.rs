/// Makes a `#[tokio::test]` of every promise in [`log`](crate::log), each with a fresh fixture.
///
/// Takes an expression that makes a [`LogFixture`](crate::LogFixture), evaluated once per test.
/// The crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! log_conformance_tests {
    ($fixture:expr) => {
        $crate::conformance_tests! { @log $fixture =>
            i1_an_append_is_whole
            i1_a_refused_append_leaves_no_trace
            i1_a_dropped_append_is_done_or_not
            i2_one_of_many_wins_a_boundary
            i2_one_of_many_wins_the_log
            i2_overlapping_boundaries_exclude_each_other
            i2_a_stale_boundary_is_refused
            i2_every_part_of_a_condition_counts
            i2_appends_follow_each_other
            i2_what_follows_a_refused_append_is_refused
            i2_an_append_that_follows_may_be_overtaken
            i2_what_was_not_recorded_cannot_be_followed
            i2_what_follows_a_taken_or_repeated_id_is_refused
            i3_positions_are_in_commit_order
            i3_positions_are_contiguous
            i4_nothing_appears_below_what_was_seen
            i4_the_tail_is_what_was_recorded
            i4_what_was_read_never_changes
            i5_a_slow_read_sees_one_snapshot
            i5_as_of_tells_what_was_seen
            i5_a_read_may_end_earlier
            i6_one_id_has_one_effect
            i6_a_repeated_command_does_not_conflict
            i6_one_id_sent_at_once_has_one_effect
            i6_two_bodies_at_once_under_one_id
            i6_sending_again_settles_a_lost_answer
            i6_repeated_and_new_commands_come_together
            i6_an_id_is_remembered_however_many_follow
            i6_an_unknown_id_is_found_once_it_is_recorded
            i6_an_assigned_id_has_one_effect
            i6_an_assigned_id_may_be_overtaken
            i6_an_assigned_id_may_be_overtaken_without_events
            i6_an_assigned_id_sent_at_once_has_one_effect
            i7_acknowledged_survives_a_restart
            i8_the_log_goes_on_after_a_restart
            i8_boundaries_hold_across_a_restart
            i8_a_position_above_the_head_is_rewound
            i9_several_processes_decide
            i9_several_processes_write_a_state
            i9_a_process_knows_what_another_wrote
            i10_a_stale_boundary_without_evidence_holds
            i10_a_boundary_begins_after_its_position
            i10_unrelated_commands_do_not_conflict
            i10_a_loser_is_no_evidence
            i10_conflicts_are_those_of_the_specification
            i10_an_empty_item_matches_everything
            i11_a_bad_command_fails_alone
            i12_odd_content_is_kept_or_refused
            i12_accepted_events_are_read_back_after_a_restart
            i12_equal_events_are_kept_with_their_metadata
            i12_custom_metadata_is_that_of_its_command
            a_command_without_events_is_recorded
            a_command_without_events_has_a_boundary
            a_command_without_events_may_write_a_state
            commands_with_and_without_events_come_together
            states_are_written_with_events
            a_stale_state_is_a_conflict
            one_of_many_writes_a_state
            reads_are_those_of_the_specification
            reads_go_on_page_by_page
            pages_are_bounded_by_bytes
            pages_of_folds_are_bounded_by_bytes
            tags_match_whole
            folds_get_the_events_of_the_specification
            heads_are_told
            a_time_has_a_position
            recorded_times_are_sent_or_raised
            times_never_decrease
            other_types_are_counted
            limits_can_be_reached
        }
    };
}

/// Makes a `#[tokio::test]` of every promise in [`views`](crate::views), each with a fresh
/// fixture.
///
/// Takes an expression that makes a [`ViewFixture`](crate::ViewFixture), evaluated once per test.
/// The crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! view_conformance_tests {
    ($fixture:expr) => {
        $crate::conformance_tests! { @views $fixture =>
            v1_views_are_written_with_their_checkpoint
            v1_views_and_checkpoint_are_seen_together
            v1_a_checkpoint_has_its_last_event
            v1_each_subscription_has_its_own_checkpoint
            v1_a_view_is_written_only_by_a_higher_position
            v2_a_batch_from_another_checkpoint_writes_nothing
            v2_one_of_many_workers_commits
            v2_the_checkpoint_moves_last_and_is_fenced
            v1_a_roster_has_the_shards_that_were_asked_for
            v2_a_commit_in_an_earlier_epoch_writes_nothing
            v2_a_shard_has_one_owner
            v2_one_of_many_processes_gets_a_shard
            v2_a_halted_shard_is_claimed_by_nobody
            v2_a_halt_is_fenced
            v1_a_division_keeps_what_each_slice_has_done
            v2_a_division_fences_former_owners
            v2_divisions_and_claims_exclude_each_other
            v2_a_division_keeps_halts
            v2_a_moved_checkpoint_fences_its_owner
            v1_a_version_is_kept_as_it_was_registered
            v2_one_version_is_live
            v2_one_of_many_versions_is_the_first
            v2_a_version_in_use_is_not_removed
            v2_views_that_were_built_again_replace_others
            v2_seized_shards_fence_their_owners
            v1_parked_keys_change_with_their_checkpoint
            v2_a_commit_that_finds_other_parked_keys_writes_nothing
            v2_a_release_fences_the_owner
            v2_a_checkpoint_that_moves_back_removes_later_keys
            v1_a_division_keeps_parked_keys
            v3_a_load_sees_earlier_commits
            v3_visible_commits_are_seen_by_every_process
            v3_many_views_are_loaded_at_once
            v4_scans_are_those_of_the_specification
            v4_scans_follow_changes
            v4_rows_and_total_are_of_one_snapshot
            v4_the_longest_keys_and_values_are_told_apart
            i12_a_view_is_read_back_as_it_was_written
        }
    };
}

/// Makes a `#[tokio::test]` of every promise of a store that is both a log and a view store:
/// [`log_conformance_tests!`] and [`view_conformance_tests!`] with one
/// [`StoreFixture`](crate::StoreFixture).
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr) => {
        $crate::log_conformance_tests!($fixture);
        $crate::view_conformance_tests!($fixture);
    };
    (@$part:ident $fixture:expr => $($promise:ident)+) => {$(
        #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $promise() {
            let fixture = $fixture;
            $crate::run(stringify!($promise), $crate::$part::$promise(&fixture)).await;
        }
    )+};
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    crate::conformance_tests!(cqrs_core::Memory::new());

    /// A public promise outside the list would never be tested.
    #[test]
    fn every_promise_is_in_its_list() {
        for (part, exported) in [
            ("@log", include_str!("log/mod.rs")),
            ("@views", include_str!("views/mod.rs")),
        ] {
            let listed = include_str!("macros.rs")
                .lines()
                .skip_while(|line| !line.ends_with(&format!("{part} $fixture =>")))
                .skip(1)
                .map(str::trim)
                .take_while(|line| *line != "}");
            let exported = exported
                .split("pub use ")
                .skip(1)
                .filter_map(|item| item.split(';').next()?.split_once("::"))
                .flat_map(|(_, names)| names.trim_matches(['{', '}']).split(','))
                .map(str::trim)
                .filter(|name| !name.is_empty());
            let listed: BTreeSet<_> = listed.collect();
            assert!(!listed.is_empty());
            assert_eq!(exported.collect::<BTreeSet<_>>(), listed);
        }
    }
}
