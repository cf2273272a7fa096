use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use uuid::Uuid;

use super::*;
use crate::store::{ShardState, Slices};

const SUBSCRIPTIONS: [&str; 3] = [
    "projection:orders:1",
    "projection:stock:2",
    "reaction:invoices",
];

fn worker(number: usize) -> WorkerId {
    WorkerId::from(Uuid::from_u128(number as u128))
}

/// As many shards of a subscription.
fn shards_of(subscription: &str, count: u16) -> Vec<Shard> {
    let size = Slices::COUNT / count.max(1);
    let slices = (0..count).map(|place| Slices::new(place * size, (place + 1) * size - 1));
    let shards = slices.flatten().map(|slices| Shard {
        subscription: subscription.to_owned(),
        slices,
    });
    shards.collect()
}

/// Processes that can handle all subscriptions.
fn roster(workers: impl IntoIterator<Item = usize>) -> Roster {
    let all = || SUBSCRIPTIONS.map(str::to_owned).to_vec();
    Roster {
        workers: workers.into_iter().map(|it| (worker(it), all())).collect(),
        shards: Vec::new(),
    }
}

/// Has each shard be owned by the process that is assigned to it.
fn own(roster: &mut Roster, assigned: &HashMap<Shard, WorkerId>) {
    let states = assigned.iter().map(|(shard, owner)| ShardState {
        owner: Some(*owner),
        ..ShardState::unclaimed(shard.clone())
    });
    roster.shards = states.collect();
}

fn loads(assigned: &HashMap<Shard, WorkerId>) -> HashMap<WorkerId, usize> {
    let mut loads = HashMap::new();
    for worker in assigned.values() {
        *loads.entry(*worker).or_default() += 1;
    }
    loads
}

/// Processes, of which each may handle other subscriptions, and shards, each with or without an owner, which may
/// be gone.
fn any_roster() -> impl Strategy<Value = (Roster, Vec<Shard>)> {
    let workers = vec(subsequence(SUBSCRIPTIONS.to_vec(), 0..=3), 1..7);
    let shards = (0..9_u16, 0..9_u16, 0..9_u16).prop_map(|(first, second, third)| {
        let counts = SUBSCRIPTIONS.iter().zip([first, second, third]);
        let shards = counts.flat_map(|(subscription, count)| shards_of(subscription, count));
        shards.collect::<Vec<_>>()
    });
    (workers, shards).prop_flat_map(|(workers, shards)| {
        let owners = vec(proptest::option::of(0..9_usize), shards.len());
        owners.prop_map(move |owners| {
            let named = |(number, handled): (usize, &Vec<&str>)| {
                let handled = handled.iter().map(ToString::to_string).collect();
                (worker(number), handled)
            };
            let states = shards.iter().zip(owners).map(|(shard, owner)| ShardState {
                owner: owner.map(worker),
                ..ShardState::unclaimed(shard.clone())
            });
            let roster = Roster {
                workers: workers.iter().enumerate().map(named).collect(),
                shards: states.collect(),
            };
            (roster, shards.clone())
        })
    })
}

fn can_handle(roster: &Roster, worker: WorkerId, shard: &Shard) -> bool {
    let mut workers = roster.workers.iter();
    workers.any(|(it, handled)| *it == worker && handled.contains(&shard.subscription))
}

proptest! {
    #[test]
    fn each_shard_goes_to_a_process_that_can_handle_it((roster, shards) in any_roster()) {
        let assigned = assign(&roster, &shards);
        for shard in &shards {
            if let Some(worker) = assigned.get(shard) {
                prop_assert!(can_handle(&roster, *worker, shard));
            } else {
                let mut workers = roster.workers.iter();
                prop_assert!(!workers.any(|(it, _)| can_handle(&roster, *it, shard)));
            }
        }
    }

    /// Otherwise shards would move for ever.
    #[test]
    fn what_is_assigned_stays((mut roster, shards) in any_roster()) {
        let assigned = assign(&roster, &shards);
        own(&mut roster, &assigned);
        prop_assert_eq!(assign(&roster, &shards), assigned);
    }

    #[test]
    fn no_process_loses_a_shard_of_its_share((mut roster, shards) in any_roster()) {
        for (_, handled) in &mut roster.workers {
            *handled = SUBSCRIPTIONS.map(str::to_owned).to_vec();
        }
        let share = (shards.len() / roster.workers.len()).max(1);
        let assigned = assign(&roster, &shards);
        for (worker, _) in &roster.workers {
            let all = roster.shards.iter();
            let owned: Vec<_> = all.filter(|state| state.owner == Some(*worker)).collect();
            if owned.len() <= share {
                let mut owned = owned.iter();
                prop_assert!(owned.all(|state| assigned.get(&state.shard) == Some(worker)));
            }
        }
    }

    /// However many processes join, leave or are replaced beside it.
    #[test]
    fn the_owner_of_a_single_shard_keeps_it_while_others_join_and_leave(
        others in vec(subsequence((1..9_usize).collect::<Vec<_>>(), 0..=8), 1..20),
    ) {
        let shards = shards_of(SUBSCRIPTIONS[0], 1);
        let mut state = ShardState::unclaimed(shards[0].clone());
        state.owner = Some(worker(0));
        for others in others {
            let mut seen = roster(others.into_iter().chain([0]));
            seen.shards.push(state.clone());
            prop_assert_eq!(assign(&seen, &shards)[&shards[0]], worker(0));
        }
    }

    #[test]
    fn a_process_that_joins_gets_its_share_and_others_lose_no_more(
        (workers, count) in (1..6_usize, 1..40_u16),
    ) {
        let shards = shards_of(SUBSCRIPTIONS[0], count);
        let mut seen = roster(0..workers);
        let before = assign(&seen, &shards);
        own(&mut seen, &before);
        seen.workers.extend(roster([workers]).workers);
        let after = assign(&seen, &shards);
        let moved = shards.iter().filter(|shard| before[*shard] != after[*shard]);
        let share = shards.len() / (workers + 1);
        prop_assert_eq!(moved.count(), share);
        prop_assert_eq!(loads(&after).get(&worker(workers)).copied().unwrap_or_default(), share);
        prop_assert!(loads(&after).values().all(|load| (share..=share + 1).contains(load)));
    }

    #[test]
    fn when_a_process_leaves_only_its_shards_move((workers, count) in (2..6_usize, 1..40_u16)) {
        let shards = shards_of(SUBSCRIPTIONS[0], count);
        let mut seen = roster(0..workers);
        let before = assign(&seen, &shards);
        own(&mut seen, &before);
        seen.workers.remove(0);
        let after = assign(&seen, &shards);
        for shard in shards.iter().filter(|shard| before[*shard] != worker(0)) {
            prop_assert_eq!(after[shard], before[shard]);
        }
    }

    /// Each shard is given up as soon as its page is finished, so the others see some of them without an owner.
    #[test]
    fn a_process_gives_up_the_same_shards_until_it_has_given_up_all(
        (workers, count) in (2..5_usize, 1..40_u16),
        released in vec(any::<bool>(), 40),
    ) {
        let shards = shards_of(SUBSCRIPTIONS[0], count);
        let mut seen = roster([0]);
        let before = assign(&seen, &shards);
        own(&mut seen, &before);
        seen.workers = roster(0..workers).workers;
        let is_kept = |seen: &Roster, shard: &Shard| assign(seen, &shards)[shard] == worker(0);
        let kept: Vec<_> = shards.iter().filter(|shard| is_kept(&seen, shard)).collect();
        let mut later = seen.clone();
        for (state, is_released) in later.shards.iter_mut().zip(released) {
            if is_released && !kept.contains(&&state.shard) {
                state.owner = None;
            }
        }
        let still_kept: Vec<_> = shards.iter().filter(|shard| is_kept(&later, shard)).collect();
        prop_assert_eq!(still_kept, kept);
    }
}

#[test]
fn each_process_has_its_share() {
    for (workers, count) in [(1, 1), (3, 1), (3, 8), (5, 16), (7, 64)] {
        let shards = shards_of(SUBSCRIPTIONS[0], count);
        let assigned = assign(&roster(0..workers), &shards);
        assert_eq!(assigned.len(), shards.len());
        let share = shards.len() / workers;
        let loads = loads(&assigned);
        assert!(
            loads
                .values()
                .all(|load| (share..=share + 1).contains(load)),
            "{loads:?}"
        );
    }
}

/// As many as there can be.
#[test]
fn fifty_processes_share_a_thousand_shards_of_one() {
    let shards = shards_of(SUBSCRIPTIONS[0], Slices::COUNT);
    let mut seen = roster([0]);
    let before = assign(&seen, &shards);
    own(&mut seen, &before);
    seen.workers = roster(0..50).workers;
    let loads = loads(&assign(&seen, &shards));
    assert!(loads.values().all(|load| (20..=21).contains(load)));
}
