use std::cmp::Ordering;

use super::{Checkpoint, Epoch, HaltKind, LastEvent, Position, Shard, ShardState, Slices};

/// New shards for a subscription, in place of those that it has. Whoever owns one of these loses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    subscription: String,
    partition: String,
    shards: Vec<Slices>,
}

/// Slices of a shard that are further than its checkpoint: before a division, they belonged to another
/// shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The slices.
    pub slices: Slices,
    /// The checkpoint of the shard that had them.
    pub checkpoint: Checkpoint,
}

impl Division {
    /// Divides a subscription that is partitioned by the tag of this name into these shards. `None`
    /// unless every slice is in exactly one of them, in order.
    pub fn new(
        subscription: impl Into<String>,
        partition: impl Into<String>,
        shards: Vec<Slices>,
    ) -> Option<Self> {
        let mut next = 0;
        for slices in &shards {
            if slices.first() != next {
                return None;
            }
            next = slices.last() + 1;
        }
        (next == Slices::COUNT).then(|| Self {
            subscription: subscription.into(),
            partition: partition.into(),
            shards,
        })
    }

    /// Divides a subscription into this many shards of the same size, or nearly so. `None` if it is 0
    /// or more than [`Slices::COUNT`].
    pub fn even(
        subscription: impl Into<String>,
        partition: impl Into<String>,
        shards: u16,
    ) -> Option<Self> {
        let bound = |place: u16| {
            let slices = u32::from(place) * u32::from(Slices::COUNT) / u32::from(shards);
            u16::try_from(slices).ok()
        };
        let slices = (0..shards)
            .map(|place| Slices::new(bound(place)?, bound(place + 1)?.checked_sub(1)?))
            .collect::<Option<_>>()?;
        Self::new(subscription, partition, slices)
    }

    /// The subscription.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The slices of each shard.
    pub fn shards(&self) -> &[Slices] {
        &self.shards
    }

    /// The shards after the division of those that are stored. A subscription without any counts as a
    /// single one. `None`, and nothing may be changed, if one of them has stopped at an event, of which it
    /// has to be decided first what becomes of it, or if they are divided by another tag.
    ///
    /// Each new shard begins at the least checkpoint of its slices, and has the others
    /// [ahead](ShardState::ahead), so no event is lost or handled again. Its epoch is higher than those
    /// of all former shards: no former owner can write, and no epoch occurs twice.
    pub fn apply(&self, stored: &[ShardState]) -> Option<Vec<ShardState>> {
        let is_stopped = |shard: &ShardState| {
            let halt = shard.halt.as_ref();
            halt.is_some_and(|halt| halt.kind != HaltKind::Paused)
        };
        let is_other = |shard: &ShardState| !shard.is_partitioned_by(Some(&self.partition));
        if stored
            .iter()
            .any(|shard| is_stopped(shard) || is_other(shard))
        {
            return None;
        }
        let done = SliceCheckpoints::of(stored);
        let epoch = stored.iter().map(|shard| shard.epoch).max();
        let halt = stored.iter().find_map(|shard| shard.halt.clone());
        let shards = self.shards.iter().map(|slices| {
            let checkpoint = done.least(*slices);
            let ahead = done.ahead(*slices, checkpoint);
            let is_divided = self.shards.len() > 1 || !ahead.is_empty();
            ShardState {
                shard: Shard {
                    subscription: self.subscription.clone(),
                    slices: *slices,
                },
                owner: None,
                epoch: epoch.unwrap_or(Epoch::UNCLAIMED).next(),
                checkpoint,
                halt: halt.clone(),
                ahead,
                partition: is_divided.then(|| self.partition.clone()),
                // The keys stay parked, and are counted where they belong from now on.
                parked: 0,
            }
        });
        Some(shards.collect())
    }
}

/// The checkpoint of each slice.
pub(super) struct SliceCheckpoints(Vec<Option<Checkpoint>>);

impl SliceCheckpoints {
    pub(super) fn of(stored: &[ShardState]) -> Self {
        let mut done = Self(vec![None; usize::from(Slices::COUNT)]);
        for state in stored {
            done.advance(state.shard.slices, state.checkpoint);
            for ahead in &state.ahead {
                done.advance(ahead.slices, Some(ahead.checkpoint));
            }
        }
        done
    }

    /// The checkpoint of each slice, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = Option<Checkpoint>> {
        self.0.iter().copied()
    }

    fn advance(&mut self, slices: Slices, to: Option<Checkpoint>) {
        for known in &mut self.0[slices.range()] {
            let last_event = later(*known, to);
            if position(*known) < position(to) {
                *known = to;
            }
            if let Some(known) = known {
                known.last_event = last_event;
            }
        }
    }

    /// The checkpoint up to which all of these slices are done. Of several that are equally far, with the
    /// latest event: after that, none of them has any up to there.
    fn least(&self, slices: Slices) -> Option<Checkpoint> {
        let all = self.0[slices.range()].iter().copied();
        all.reduce(|least, other| match position(least).cmp(&position(other)) {
            Ordering::Less => least,
            Ordering::Greater => other,
            Ordering::Equal => least.map(|least| Checkpoint {
                last_event: later(Some(least), other),
                ..least
            }),
        })
        .flatten()
    }

    /// The slices that are further than that, as ranges.
    fn ahead(&self, slices: Slices, least: Option<Checkpoint>) -> Vec<Ahead> {
        let mut ranges: Vec<Ahead> = Vec::new();
        for slice in slices.first()..=slices.last() {
            let Some(checkpoint) = self.0[usize::from(slice)]
                .filter(|checkpoint| position(least) < Some(checkpoint.position))
            else {
                continue;
            };
            match ranges.last_mut() {
                Some(range)
                    if range.checkpoint == checkpoint && range.slices.last() + 1 == slice =>
                {
                    range.slices = range.slices.up_to(slice);
                }
                _ => ranges.push(Ahead {
                    slices: slice.into(),
                    checkpoint,
                }),
            }
        }
        ranges
    }
}

/// The later of the last events.
fn later(one: Option<Checkpoint>, other: Option<Checkpoint>) -> Option<LastEvent> {
    let events = [one, other].map(|checkpoint| checkpoint?.last_event);
    events
        .into_iter()
        .flatten()
        .max_by_key(|event| event.position)
}

pub(super) fn position(checkpoint: Option<Checkpoint>) -> Option<Position> {
    checkpoint.map(|checkpoint| checkpoint.position)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::Halt;
    use crate::{EventId, Timestamp};

    const ORDERS: &str = "projection:orders:1";

    fn divided(into: &[(u16, u16)]) -> Option<Division> {
        let slices = into.iter().map(|(first, last)| Slices::new(*first, *last));
        Division::new(ORDERS, "order", slices.collect::<Option<_>>()?)
    }

    fn state(slices: Slices, epoch: u64, position: Option<u64>) -> ShardState {
        ShardState {
            shard: Shard {
                subscription: ORDERS.to_owned(),
                slices,
            },
            owner: None,
            epoch: Epoch::new(epoch),
            checkpoint: position.map(|position| Position::new(position).into()),
            halt: None,
            ahead: Vec::new(),
            partition: (slices != Slices::ALL).then(|| "order".to_owned()),
            parked: 0,
        }
    }

    #[test]
    fn every_slice_is_in_one_shard() {
        assert!(divided(&[(0, 511), (512, 1023)]).is_some());
        for wrong in [
            &[][..],
            &[(0, 511)],
            &[(1, 1023)],
            &[(0, 511), (511, 1023)],
            &[(0, 511), (513, 1023)],
            &[(512, 1023), (0, 511)],
        ] {
            assert_eq!(divided(wrong), None, "{wrong:?}");
        }
        for count in [1, 2, 3, 7, 1000, 1024] {
            let even = Division::even(ORDERS, "order", count).expect("few enough");
            assert_eq!(even.shards.len(), usize::from(count));
            let sizes = even.shards.iter().map(|it| it.last() - it.first());
            assert!(sizes.clone().max() <= sizes.min().map(|least| least + 1));
        }
        assert_eq!(Division::even(ORDERS, "order", 0), None);
        assert_eq!(Division::even(ORDERS, "order", 1025), None);
    }

    /// Whatever is divided and merged, and however far the shards get in between.
    #[test]
    fn each_slice_stays_where_it_was() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let mut stored: Vec<ShardState> = Vec::new();
        let mut epoch = 0;
        for _ in 0..300 {
            for state in &mut stored {
                let further = next(3) * next(40);
                let at = position(state.checkpoint).unwrap_or_default().get() + further;
                if further > 0 {
                    // The shard had no event in the last part of its page.
                    let last = Position::new(at.saturating_sub(next(7)));
                    let known = state.checkpoint.and_then(|it| it.last_event);
                    let last = known.map_or(last, |known| known.position.max(last));
                    state.checkpoint = Some(Checkpoint {
                        position: Position::new(at),
                        last_event: Some(LastEvent {
                            position: last,
                            id: EventId::from(Uuid::from_u128(last.get().into())),
                        }),
                    });
                }
                state.epoch = Epoch::new(state.epoch.get() + next(3));
                epoch = epoch.max(state.epoch.get());
            }
            let before = SliceCheckpoints::of(&stored);
            let mut bounds: Vec<u16> = (0..next(9))
                .filter_map(|_| u16::try_from(1 + next(1023)).ok())
                .collect();
            bounds.sort_unstable();
            bounds.dedup();
            bounds.push(Slices::COUNT);
            let mut first = 0;
            let into: Vec<_> = bounds
                .iter()
                .map(|end| (std::mem::replace(&mut first, *end), end - 1))
                .collect();
            let division = divided(&into).expect("it has all slices");
            stored = division.apply(&stored).expect("nothing has stopped");
            assert_eq!(stored.len(), into.len());
            assert!(stored.iter().all(|state| state.epoch.get() == epoch + 1));
            epoch += 1;
            let after = SliceCheckpoints::of(&stored);
            for (slice, (before, after)) in before.0.iter().zip(&after.0).enumerate() {
                assert_eq!(position(*before), position(*after), "slice {slice}");
                // An earlier one would have events after it that are handled.
                assert!(last_event(*before) <= last_event(*after), "slice {slice}");
            }
            for state in &stored {
                let ahead = state.ahead.iter();
                let least = position(state.checkpoint);
                assert!(ahead.clone().all(|it| Some(it.checkpoint.position) > least));
                assert!(ahead.clone().all(|it| {
                    let slices = state.shard.slices;
                    slices.contains(it.slices.first()) && slices.contains(it.slices.last())
                }));
            }
        }
    }

    fn last_event(checkpoint: Option<Checkpoint>) -> Option<Position> {
        Some(checkpoint?.last_event?.position)
    }

    #[test]
    fn equally_far_shards_leave_the_latest_event_behind() {
        let [one, other] = [6, 18].map(|last| {
            Some(Checkpoint {
                position: Position::new(20),
                last_event: Some(LastEvent {
                    position: Position::new(last),
                    id: EventId::from(Uuid::from_u128(last.into())),
                }),
            })
        });
        let half = |first, last| Slices::new(first, last).expect("slices");
        let stored = [(half(0, 511), one), (half(512, 1023), other)].map(|(slices, checkpoint)| {
            ShardState {
                checkpoint,
                ..state(slices, 2, None)
            }
        });
        let whole = divided(&[(0, 1023)]).and_then(|whole| whole.apply(&stored));
        let whole = whole.expect("nothing has stopped").remove(0);
        assert_eq!((whole.checkpoint, whole.ahead), (other, Vec::new()));
    }

    #[test]
    fn shards_of_another_tag_are_not_divided() {
        let stored = [(0, 511), (512, 1023)].map(|(first, last)| ShardState {
            partition: Some("customer".to_owned()),
            ..state(Slices::new(first, last).expect("slices"), 2, Some(9))
        });
        let whole = divided(&[(0, 1023)]).expect("one shard");
        assert_eq!(whole.apply(&stored), None);
        // As a single shard, they were divided by nothing, unless some slices are further.
        let one = |ahead: &[Ahead]| ShardState {
            partition: Some("customer".to_owned()),
            ahead: ahead.to_vec(),
            ..state(Slices::ALL, 3, Some(9))
        };
        assert!(whole.apply(&[one(&[])]).is_some());
        let ahead = |position| Ahead {
            slices: Slices::from(3),
            checkpoint: Position::new(position).into(),
        };
        assert!(whole.apply(&[one(&[ahead(9)])]).is_some());
        let parked = ShardState {
            parked: 1,
            ..one(&[])
        };
        assert_eq!(whole.apply(&[parked]), None);
        assert_eq!(whole.apply(&[one(&[ahead(10)])]), None);
    }

    #[test]
    fn a_pause_is_that_of_all_shards_and_a_stop_has_to_be_decided_first() {
        let halves = divided(&[(0, 511), (512, 1023)]).expect("two halves");
        let halt = |kind| Halt {
            kind,
            reason: "maintenance".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        };
        let paused = ShardState {
            halt: Some(halt(HaltKind::Paused)),
            ..state(Slices::ALL, 4, Some(9))
        };
        let shards = halves.apply(&[paused]).expect("it is only paused");
        assert!(shards.iter().all(|shard| shard.halt.is_some()));
        let at = Position::new(10);
        let stopped = ShardState {
            halt: Some(halt(HaltKind::Stopped { position: at })),
            ..state(Slices::ALL, 4, Some(9))
        };
        assert_eq!(halves.apply(&[stopped]), None);
    }
}
