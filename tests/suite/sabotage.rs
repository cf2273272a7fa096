//! The conformance suite can fail: each way to break a promise is noticed, and named.

mod faulty_log;
mod faulty_positions;
mod faulty_views;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cqrs_conformance::{Outcome, log, views};
use tokio::runtime::Runtime;

use faulty_log::{BrokenLog, LogFault};
use faulty_positions::{BrokenPositions, PositionFault};
use faulty_views::{FaultyViews, ViewFault};

/// Runs a promise's test, and answers with what it complained about.
fn complaint(test: impl Future<Output: Into<Outcome>>) -> String {
    let runtime = Runtime::new().expect("a runtime");
    match catch_unwind(AssertUnwindSafe(|| runtime.block_on(test))) {
        Ok(outcome) => format!("nothing: {:?}", outcome.into()),
        Err(panic) => match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => (*panic.downcast::<&str>().expect("a message")).to_owned(),
        },
    }
}

/// Long enough for others to come between.
async fn a_while() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

macro_rules! noticed {
    ($fixture:ident of $faults:ident in $part:ident;
     $($name:ident: $fault:ident by $promise:ident saying $words:literal;)+) => {$(
        #[test]
        fn $name() {
            let fixture = $fixture::new($faults::$fault);
            let complaint = complaint($part::$promise(&fixture));
            assert!(complaint.contains($words), "the test complained about: {complaint}");
        }
    )+};
}

noticed! {
    BrokenLog of LogFault in log;
    ids_that_a_refused_append_uses_up: UsesUpIds
        by i1_a_refused_append_leaves_no_trace saying "refused for its boundary";
    states_that_are_lost: LosesStates
        by i1_an_append_is_whole saying "the state was written";
    tags_that_are_lost: IndexesOneTag
        by i1_an_append_is_whole saying "found by another tag";
    boundaries_that_are_ignored: IgnoresBoundaries
        by i2_one_of_many_wins_a_boundary saying "I2: winners of a boundary";
    boundaries_of_which_one_is_checked: ChecksOneBoundary
        by i10_conflicts_are_those_of_the_specification saying "the first event in the way is";
    appends_that_cannot_be_followed: IgnoresTickets
        by i2_appends_follow_each_other saying "number 2 of a chain";
    appends_that_follow_what_never_happened: FollowsBlindly
        by i2_what_follows_a_refused_append_is_refused saying "follows what never happened";
    appends_that_follow_and_are_overtaken: FollowsBlindly
        by i2_an_append_that_follows_may_be_overtaken saying "overtaken by what came after";
    appends_that_follow_what_was_repeated: FollowsBlindly
        by i2_what_was_not_recorded_cannot_be_followed saying "follows an append that is";
    appends_that_follow_a_taken_id: FollowsBlindly
        by i2_what_follows_a_taken_or_repeated_id_is_refused saying "follows an append whose id is";
    boundaries_of_which_one_item_is_checked: ChecksOneItem
        by i2_overlapping_boundaries_exclude_each_other saying "I2: seat:";
    boundaries_that_are_checked_before_the_append: ChecksTooEarly
        by i2_one_of_many_wins_a_boundary saying "I2: winners of a boundary";
    boundaries_of_which_only_the_recent_part_is_checked: ForgetsOldEvents
        by i2_a_stale_boundary_is_refused saying "I2: a boundary that was overtaken long ago";
    positions_with_gaps: LeavesGaps
        by i2_one_of_many_wins_a_boundary saying "I3: positions are contiguous";
    positions_that_are_left_out: SkipsPositions
        by i3_positions_are_contiguous saying "I3: positions are contiguous";
    events_that_appear_late: ShowsLate
        by i4_nothing_appears_below_what_was_seen saying "I4: a follower of";
    a_snapshot_that_claims_too_much: AsOfRunsAhead
        by i5_as_of_tells_what_was_seen saying "I5: ";
    command_ids_that_are_forgotten: ForgetsIds
        by i6_one_id_has_one_effect saying "I6: the first answer comes again";
    bodies_that_are_not_compared: IgnoresBodies
        by i6_one_id_has_one_effect saying "I6: another body";
    bodies_that_are_compared_in_part: ComparesHalfOfBodies
        by i6_one_id_has_one_effect saying "I6: another body";
    command_ids_that_are_forgotten_later: ForgetsOldIds
        by i6_an_id_is_remembered_however_many_follow saying "I6: the first answer comes again";
    command_ids_that_stay_unknown: RemembersUnknownIds
        by i6_an_unknown_id_is_found_once_it_is_recorded saying "I6: it was recorded since";
    custom_metadata_that_is_lost: LosesCustomMetadata
        by i12_custom_metadata_is_that_of_its_command saying "I12: the metadata of";
    custom_metadata_of_another_command: MixesCustomMetadata
        by i12_custom_metadata_is_that_of_its_command saying "I12: the metadata of";
    causes_that_are_lost: LosesCauses
        by i12_equal_events_are_kept_with_their_metadata saying "is not what was sent";
    equal_events_that_are_dropped: DropsEqualEvents
        by i12_equal_events_are_kept_with_their_metadata saying "I12: equal events";
    types_of_which_a_few_are_checked: ChecksFewTypes
        by i2_every_part_of_a_condition_counts saying "the last type of 12";
    tags_of_which_a_few_are_checked: ChecksFewTags
        by i2_every_part_of_a_condition_counts saying "the last tag of 12";
    boundaries_of_which_a_few_are_checked: ChecksFewBoundaries
        by i2_every_part_of_a_condition_counts saying "the last boundary of 12";
    an_event_that_a_restart_loses: LosesTheLastEvent
        by i7_acknowledged_survives_a_restart saying "I7: events after restart 1";
    positions_above_the_head: TakesAnyPosition
        by i8_a_position_above_the_head_is_rewound saying "I8: an append that was decided";
    conflicts_with_other_aggregates: ConflictsByTypeAlone
        by i10_unrelated_commands_do_not_conflict saying "I10: a false conflict";
    conflicts_for_being_late: ConflictsWhenStale
        by i10_a_stale_boundary_without_evidence_holds saying "I10: a false conflict";
    processes_that_know_only_themselves: KnowsOnlyItself
        by i9_a_process_knows_what_another_wrote saying "I9: decided on what";
    content_that_is_not_kept: KeepsTextOnly
        by i12_odd_content_is_kept_or_refused saying "I12: a payload that is not UTF-8";
    poison_that_spreads: SpreadsPoison
        by i11_a_bad_command_fails_alone saying "another command's fault";
    reads_that_match_too_much: MatchesAnyTag
        by reads_are_those_of_the_specification saying "Items(";
    reads_that_end_early: CutsReadsShort
        by reads_go_on_page_by_page saying "pages of";
    pages_that_are_bounded_by_events_alone: FillsPagesWithoutEnd
        by pages_are_bounded_by_bytes saying "a page of";
    folds_that_leave_out_events: FoldsTooLittle
        by folds_get_the_events_of_the_specification saying "Items(";
    times_that_are_not_raised: KeepsSentTimes
        by times_never_decrease saying "times never decrease";
    types_that_are_left_out: LeavesOutRareTypes
        by other_types_are_counted saying "all types";
    memory_that_leaves_out_what_others_wrote: HandsOverGaps
        by i4_the_tail_is_what_was_recorded saying "I4: the tail after";
}

noticed! {
    FaultyViews of ViewFault in views;
    checkpoints_without_a_fence: HasNoFence
        by v2_a_batch_from_another_checkpoint_writes_nothing saying "V2: a batch from";
    workers_without_a_fence: HasNoFence
        by v2_one_of_many_workers_commits saying "V2: workers that committed";
    checkpoints_without_their_last_event: ForgetsTheLastEvent
        by v1_a_checkpoint_has_its_last_event saying "V1: the checkpoint with its last event";
    checkpoints_that_run_ahead: MovesTheCheckpointFirst
        by v1_views_and_checkpoint_are_seen_together saying "V1: view";
    loads_that_are_answered_from_before: LoadsFromBefore
        by v3_a_load_sees_earlier_commits saying "V3: committed before the load";
    scans_that_skip_nothing: SkipsNothing
        by v4_scans_are_those_of_the_specification saying "V4: ViewScan";
    scans_that_begin_at_the_start: BeginsAtTheStart
        by v4_scans_are_those_of_the_specification saying "V4: ViewScan";
    counts_of_a_page: CountsThePage
        by v4_scans_are_those_of_the_specification saying "V4: the total of";
    totals_of_another_snapshot: CountsLater
        by v4_rows_and_total_are_of_one_snapshot saying "V4: total and rows";
    views_that_are_not_deleted: KeepsDeletedViews
        by v1_views_are_written_with_their_checkpoint saying "V1: views in the order asked";
    copies_that_lag_unseen: LagsUnseen
        by v3_visible_commits_are_seen_by_every_process saying "V3: seen by a query elsewhere";
    values_that_are_still_found: KeepsOldSortKeys
        by v4_scans_follow_changes saying "V4: by an old value";
    values_that_are_indexed_in_part: IndexesPrefixes
        by v4_the_longest_keys_and_values_are_told_apart saying "V4: by values that differ";
    loads_that_end_early: LoadsAFew
        by v3_many_views_are_loaded_at_once saying "views for a query";
    batches_that_are_split: SplitsBatches
        by v1_views_and_checkpoint_are_seen_together saying "V1: view";
    checkpoints_that_are_shared: TruncatesSubscriptions
        by v1_each_subscription_has_its_own_checkpoint saying "failed";
    epochs_that_are_ignored: IgnoresEpochs
        by v2_a_commit_in_an_earlier_epoch_writes_nothing saying "V2: not refused at";
    owners_that_are_robbed: RobsOwners
        by v2_a_shard_has_one_owner saying "though its owner attends";
    claims_that_are_all_granted: GrantsEveryClaim
        by v2_one_of_many_processes_gets_a_shard saying "V2: claims in epoch";
    halts_that_are_forgotten: ForgetsHalts
        by v2_a_halted_shard_is_claimed_by_nobody saying "V2: the halt";
    halts_by_earlier_owners: HaltsInAnyEpoch
        by v2_a_halt_is_fenced saying "V2: in an epoch that never was";
    checkpoints_that_move_from_anywhere: RelocatesFromAnywhere
        by v2_a_moved_checkpoint_fences_its_owner saying "but it is at 3";
    former_owners_that_are_not_fenced: IgnoresEpochs
        by v2_a_division_fences_former_owners saying "V2: a commit of the first owner";
    slices_that_are_handled_again: ForgetsWhatIsAhead
        by v1_a_division_keeps_what_each_slice_has_done saying "V1: the whole again";
    slices_that_nobody_handles: HidesShards
        by v2_divisions_and_claims_exclude_each_other saying "V2: [ShardState";
    pauses_that_are_not_those_of_new_shards: ForgetsHalts
        by v2_a_division_keeps_halts saying "V2: paused still";
    keys_that_are_not_parked: ParksNothing
        by v1_parked_keys_change_with_their_checkpoint saying "V1: by their first events";
    keys_that_anyone_parks: ParksWithoutFence
        by v2_a_commit_that_finds_other_parked_keys_writes_nothing saying "V2: a key that is parked";
    keys_that_are_not_released: ReleasesNothing
        by v2_a_release_fences_the_owner saying "V2: the epoch of its shard";
    owners_that_do_not_learn_of_a_release: ReleasesUnfenced
        by v2_a_release_fences_the_owner saying "V2: the epoch of its shard";
    keys_that_stay_parked: KeepsLaterKeys
        by v2_a_checkpoint_that_moves_back_removes_later_keys saying "V2: the later key";
    keys_that_a_division_loses: LosesKeysWhenDivided
        by v1_a_division_keeps_parked_keys saying "V1: parked in 4 shards";
    shards_that_are_forgotten: ForgetsShards
        by v1_a_roster_has_the_shards_that_were_asked_for saying "V1: the shards that";
    code_that_is_not_accepted: ForgetsAcceptedCode
        by v1_a_version_is_kept_as_it_was_registered saying "V1: code that was accepted";
    versions_that_are_not_held: SwitchesWhatIsHeld
        by v2_one_version_is_live saying "V2: while it is held";
    versions_that_are_all_the_first: TakesEachVersionForTheFirst
        by v2_one_of_many_versions_is_the_first saying "V2: the first one was live";
    versions_that_are_removed_in_use: RemovesWhatIsAttended
        by v2_a_version_in_use_is_not_removed saying "V2: removed while attended";
    shards_that_stay_with_their_owners: SeizesNothing
        by v2_seized_shards_fence_their_owners saying "V2: by their owner";
    views_that_are_replaced_by_older_ones: ReplacesWhatIsFurther
        by v2_views_that_were_built_again_replace_others saying "V2: replaced by views that";
    keys_that_are_trimmed: TrimsKeys
        by i12_a_view_is_read_back_as_it_was_written saying "I12: the view";
}

noticed! {
    BrokenPositions of PositionFault in views;
    views_that_go_back: WritesLowerPositions
        by v1_a_view_is_written_only_by_a_higher_position saying "V1: the view after";
    checkpoints_before_their_views: MovesTheCheckpointFirst
        by v2_the_checkpoint_moves_last_and_is_fenced saying "V2: the checkpoint is";
    checkpoints_that_anyone_moves: HasNoFence
        by v2_the_checkpoint_moves_last_and_is_fenced saying "V2: a batch from";
}

mod a_copy_that_lags_and_can_be_waited_for {
    use super::{FaultyViews, ViewFault};

    cqrs_conformance::view_conformance_tests!(FaultyViews::new(ViewFault::Lags));
}

/// The names in a file that come after `word`.
fn names_after<'a>(file: &'a str, word: &str) -> BTreeSet<&'a str> {
    let words: Vec<_> = file.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == word);
    pairs.map(|pair| pair[1]).collect()
}

/// `I1` of `i1_an_append_is_whole`; nothing for a promise without a number.
fn number(promise: &str) -> Option<String> {
    let (number, _) = promise.split_once('_')?;
    let is_number = number.strip_prefix(['i', 'v'])?.parse::<u32>().is_ok();
    is_number.then(|| number.to_uppercase())
}

#[test]
fn every_number_has_a_fault_that_is_noticed() {
    let noticed = names_after(include_str!("sabotage.rs"), "by");
    let noticed: BTreeSet<_> = noticed.into_iter().filter_map(number).collect();
    let log = (1..=12).map(|number| format!("I{number}"));
    let views = (1..=4).map(|number| format!("V{number}"));
    assert_eq!(noticed, log.chain(views).collect());
}

#[test]
fn every_promise_of_a_view_store_has_a_fault_that_is_noticed() {
    let noticed = names_after(include_str!("sabotage.rs"), "by");
    let list = include_str!("../../adapters/conformance/src/macros.rs");
    let (_, list) = list.split_once("@views").expect("a list of promises");
    let (_, list) = list.split_once("=>").expect("a list of promises");
    let (list, _) = list.split_once('}').expect("a list that ends");
    let forgotten: Vec<_> = list
        .split_whitespace()
        .filter(|promise| !noticed.contains(promise))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}
