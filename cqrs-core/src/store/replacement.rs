use std::collections::BTreeMap;

use super::division::{SliceCheckpoints, position};
use super::{Checkpoint, Epoch, HaltKind, ModelSchema, Position, Shard, ShardState};

/// Views that were built again, to be put in the place of those that a version of a projection has.
///
/// They were built beside these, by a subscription of its own and into tables of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Name of the subscription of the version.
    pub subscription: String,
    /// Name of the subscription that has built the views again.
    pub rebuilt: String,
    /// The read models of the version, each with the name of the table that was built again.
    pub models: Vec<(ModelSchema, String)>,
    /// Shards that were built again, each with its checkpoint and the position up to which it has no further
    /// event.
    pub reached: BTreeMap<Shard, (Position, Position)>,
}

/// What has become of a [`Replacement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacementOutcome {
    /// The views are in the place of the former ones.
    Replaced,
    /// [`Replacement::apply`] does not allow it, so nothing was changed.
    Refused,
    /// Others use the tables, so nothing was changed. Everybody else may have waited for the attempt.
    InUse,
}

impl Replacement {
    /// The shards of the version afterwards: those that were built again, with higher epochs than all shards
    /// before, so that no former owner can write. They are paused if the version was.
    ///
    /// `None`, and nothing may be changed, if one of them is halted, or is behind the views that are to be
    /// replaced: what a query has seen must not be undone.
    pub fn apply(&self, present: &[ShardState], rebuilt: &[ShardState]) -> Option<Vec<ShardState>> {
        let epochs = present.iter().chain(rebuilt).map(|state| state.epoch);
        let epoch = epochs.max().unwrap_or(Epoch::UNCLAIMED).next();
        let mut pauses = present.iter().filter_map(|state| state.halt.as_ref());
        let pause = pauses.find(|halt| halt.kind == HaltKind::Paused).cloned();
        let replaced: Vec<ShardState> = rebuilt
            .iter()
            .map(|state| {
                state.halt.is_none().then(|| ShardState {
                    shard: Shard {
                        subscription: self.subscription.clone(),
                        slices: state.shard.slices,
                    },
                    owner: None,
                    epoch,
                    checkpoint: self.checkpoint(state),
                    halt: pause.clone(),
                    ahead: state.ahead.clone(),
                    partition: state.partition.clone(),
                    // They come with the views, and are counted where they belong.
                    parked: 0,
                })
            })
            .collect::<Option<_>>()?;
        let [before, after] = [present, &replaced].map(SliceCheckpoints::of);
        let is_behind = before
            .each()
            .zip(after.each())
            .any(|(before, after)| position(before) > position(after));
        let is_any_begun = replaced.iter().any(|state| state.checkpoint.is_some());
        (is_any_begun && !is_behind).then_some(replaced)
    }

    /// How far a shard is that was built again. If no event concerns it, it may have no checkpoint of its own.
    fn checkpoint(&self, state: &ShardState) -> Option<Checkpoint> {
        let position = state.position();
        let known = self.reached.get(&state.shard);
        match known {
            Some((from, to)) if *from == position && *to > position => Some(Checkpoint {
                position: *to,
                ..state.checkpoint.unwrap_or_default()
            }),
            _ => state.checkpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::store::{Halt, Slices};

    fn state(subscription: &str, slices: (u16, u16), epoch: u64, at: u64) -> ShardState {
        let shard = Shard {
            subscription: subscription.to_owned(),
            slices: Slices::new(slices.0, slices.1).expect("in order"),
        };
        ShardState {
            epoch: Epoch::new(epoch),
            checkpoint: Some(Position::new(at).into()),
            ..ShardState::unclaimed(shard)
        }
    }

    fn present(slices: (u16, u16), epoch: u64, at: u64) -> ShardState {
        state("present", slices, epoch, at)
    }

    fn rebuilt(slices: (u16, u16), epoch: u64, at: u64) -> ShardState {
        state("rebuilt", slices, epoch, at)
    }

    fn replacement() -> Replacement {
        Replacement {
            subscription: "present".to_owned(),
            rebuilt: "rebuilt".to_owned(),
            models: Vec::new(),
            reached: BTreeMap::new(),
        }
    }

    const ALL: (u16, u16) = (0, 1023);

    #[test]
    fn epochs_go_on_after_the_highest() {
        let replaced = replacement().apply(&[present(ALL, 7, 10)], &[rebuilt(ALL, 3, 10)]);
        assert_eq!(replaced, Some(vec![present(ALL, 8, 10)]));
        let replaced = replacement().apply(&[present(ALL, 7, 10)], &[rebuilt(ALL, 9, 12)]);
        assert_eq!(replaced, Some(vec![present(ALL, 10, 12)]));
        let replaced = replacement().apply(&[], &[rebuilt(ALL, 1, 1)]);
        assert_eq!(replaced, Some(vec![present(ALL, 2, 1)]));
    }

    #[test]
    fn no_slice_goes_back() {
        let halves = [rebuilt((0, 511), 1, 9), rebuilt((512, 1023), 1, 20)];
        let behind = replacement().apply(&[present(ALL, 1, 10)], &halves);
        assert_eq!(behind, None);
        let mut reached = replacement();
        let half = halves[0].shard.clone();
        let to = |from| (Position::new(from), Position::new(10));
        reached.reached.insert(half.clone(), to(8));
        assert_eq!(
            reached.apply(&[present(ALL, 1, 10)], &halves),
            None,
            "of before"
        );
        reached.reached.insert(half, to(9));
        let replaced = reached.apply(&[present(ALL, 1, 10)], &halves);
        let expected = [present((0, 511), 2, 10), present((512, 1023), 2, 20)];
        assert_eq!(replaced.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn a_shard_without_events_is_as_far_as_none_were_found() {
        let half = |subscription, slices| ShardState {
            checkpoint: None,
            ..state(subscription, slices, 1, 0)
        };
        let halves = [rebuilt((0, 511), 1, 10), half("rebuilt", (512, 1023))];
        let none = replacement().apply(&[present((0, 511), 1, 10)], &halves);
        let replaced = none.expect("nothing was handled of the other half");
        assert_eq!(replaced[1].checkpoint, None);
        let behind = replacement().apply(&[present(ALL, 1, 10)], &halves);
        assert_eq!(behind, None);
        let mut reached = replacement();
        let of_half = (Position::START, Position::new(10));
        reached.reached.insert(halves[1].shard.clone(), of_half);
        let replaced = reached.apply(&[present(ALL, 1, 10)], &halves);
        let expected = [present((0, 511), 2, 10), present((512, 1023), 2, 10)];
        assert_eq!(replaced.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn a_pause_stays_and_a_stop_does_not() {
        let halted = |kind| Halt {
            kind,
            reason: "a test".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        };
        let mut before = present(ALL, 1, 10);
        before.halt = Some(halted(HaltKind::Paused));
        let replaced = replacement().apply(&[before.clone()], &[rebuilt(ALL, 1, 10)]);
        assert_eq!(replaced.expect("is complete")[0].halt, before.halt);
        before.halt = Some(halted(HaltKind::Stopped {
            position: Position::new(11),
        }));
        let replaced = replacement().apply(&[before.clone()], &[rebuilt(ALL, 1, 10)]);
        assert_eq!(replaced.expect("is complete")[0].halt, None);
        let mut stopped = rebuilt(ALL, 1, 10);
        stopped.halt = before.halt;
        assert_eq!(
            replacement().apply(&[present(ALL, 1, 10)], &[stopped]),
            None
        );
    }

    #[test]
    fn nothing_is_replaced_by_nothing() {
        assert_eq!(replacement().apply(&[present(ALL, 1, 10)], &[]), None);
        let shard = Shard::whole("rebuilt");
        let unclaimed = ShardState::unclaimed(shard);
        assert_eq!(replacement().apply(&[], &[unclaimed]), None);
    }
}
