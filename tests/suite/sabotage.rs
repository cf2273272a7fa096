//! That the conformance suite can fail: each way to break a promise is noticed, and named.

mod faulty;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cqrs_conformance::{log, views};
use tokio::runtime::Runtime;

use faulty::{Broken, Fault};

/// Runs a promise's test, and answers with what it complained about.
fn complaint(test: impl Future<Output = ()>) -> String {
    let runtime = Runtime::new().expect("a runtime");
    match catch_unwind(AssertUnwindSafe(|| runtime.block_on(test))) {
        Ok(()) => "nothing".to_owned(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => (*panic.downcast::<&str>().expect("a message")).to_owned(),
        },
    }
}

macro_rules! noticed {
    ($($name:ident: $fault:ident by $part:ident::$promise:ident saying $words:literal;)+) => {$(
        #[test]
        fn $name() {
            let fixture = Broken::new(Fault::$fault);
            let complaint = complaint($part::$promise(&fixture));
            assert!(complaint.contains($words), "the test complained about: {complaint}");
        }
    )+};
}

noticed! {
    ids_that_a_refused_append_uses_up: UsesUpIds
        by log::i1_a_refused_append_leaves_no_trace saying "refused for its boundary";
    states_that_are_lost: LosesStates by log::i1_an_append_is_whole saying "the state was written";
    tags_that_are_lost: IndexesOneTag by log::i1_an_append_is_whole saying "found by another tag";
    boundaries_that_are_ignored: IgnoresBoundaries
        by log::i2_one_of_many_wins_a_boundary saying "I2: winners of a boundary";
    boundaries_of_which_one_is_checked: ChecksOneBoundary
        by log::i10_conflicts_are_those_of_the_specification saying "the first event in the way is";
    appends_that_cannot_be_followed: IgnoresTickets
        by log::i2_appends_follow_each_other saying "number 2 of a chain";
    appends_that_follow_what_never_happened: FollowsBlindly
        by log::i2_what_follows_a_refused_append_is_refused saying "follows what never happened";
    appends_that_follow_and_are_overtaken: FollowsBlindly
        by log::i2_who_follows_may_be_overtaken saying "overtaken by what came after";
    appends_that_follow_what_was_repeated: FollowsBlindly
        by log::i2_what_was_not_recorded_cannot_be_followed saying "follows an append that is";
    boundaries_of_which_one_item_is_checked: ChecksOneItem
        by log::i2_overlapping_boundaries_exclude_each_other saying "I2: seat:";
    boundaries_that_are_checked_before_the_append: ChecksTooEarly
        by log::i2_one_of_many_wins_a_boundary saying "I2: winners of a boundary";
    boundaries_of_which_only_the_recent_part_is_checked: ForgetsOldEvents
        by log::i2_a_stale_boundary_is_refused saying "I2: a boundary that was overtaken long ago";
    positions_with_gaps: LeavesGaps
        by log::i2_one_of_many_wins_a_boundary saying "I3: positions are contiguous";
    events_that_appear_late: ShowsLate
        by log::i4_nothing_appears_below_what_was_seen saying "I4: a follower of";
    a_snapshot_that_claims_too_much: AsOfRunsAhead
        by log::i5_as_of_tells_what_was_seen saying "I5: ";
    command_ids_that_are_forgotten: ForgetsIds
        by log::i6_one_id_has_one_effect saying "I6: the first answer comes again";
    bodies_that_are_not_compared: IgnoresBodies
        by log::i6_one_id_has_one_effect saying "I6: another body";
    an_event_that_a_restart_loses: LosesTheLastEvent
        by log::i7_acknowledged_survives_a_restart saying "I7: events after restart 1";
    positions_above_the_head: TakesAnyPosition
        by log::i8_a_position_above_the_head_is_rewound saying "I8: an append that was decided";
    conflicts_with_other_aggregates: ConflictsByTypeAlone
        by log::i10_unrelated_commands_do_not_conflict saying "I10: a false conflict";
    conflicts_for_being_late: ConflictsWhenStale
        by log::i10_a_stale_boundary_without_evidence_holds saying "I10: a false conflict";
    poison_that_spreads: SpreadsPoison
        by log::i11_a_bad_command_fails_alone saying "another command's fault";
    reads_that_match_too_much: MatchesAnyTag
        by log::reads_are_those_of_the_specification saying "Items(";
    reads_that_end_early: CutsReadsShort
        by log::reads_go_on_page_by_page saying "the end of pages";
    pages_that_are_bounded_by_events_alone: FillsPagesWithoutEnd
        by log::pages_are_bounded_by_bytes saying "a page of";
    times_that_do_not_include_their_own: LooksBeforeTheTime
        by log::a_time_has_a_position saying "the position at";
    checkpoints_without_a_fence: HasNoFence
        by views::v2_a_batch_from_another_checkpoint_writes_nothing saying "a batch from";
    workers_without_a_fence: HasNoFence
        by views::v2_one_of_many_workers_commits saying "workers that committed";
    checkpoints_that_run_ahead: MovesTheCheckpointFirst
        by views::v1_views_and_checkpoint_are_seen_together saying "between the checkpoints";
    memory_that_leaves_out_what_others_wrote: HandsOverGaps
        by log::i4_what_is_at_hand_is_what_was_stored saying "I4: at hand after";
    loads_that_are_answered_from_before: LoadsFromBefore
        by views::v3_a_load_sees_earlier_commits saying "what was committed before the load";
    scans_that_skip_nothing: SkipsNothing by views::v4_scans_are_those_of_the_specification saying "ViewScan";
    counts_of_a_page: CountsThePage by views::v4_scans_are_those_of_the_specification saying "the total of";
    totals_of_another_snapshot: CountsLater by views::v4_rows_and_total_are_of_one_snapshot saying "total and rows";
}
