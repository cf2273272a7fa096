//! Programs that count points, each with another version of the same projection.

#![allow(
    clippy::identity_op,
    reason = "some programs have changes that make no difference"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use cqrs_core::Dispatcher;
use cqrs_core::Module;
use cqrs_core::app::Builder;

/// What all programs have in common.
pub mod points {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Score {
        pub player: u32,
        pub points: u64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "scored", version = 1)]
    pub struct Scored {
        #[id("player")]
        pub player: u32,
        pub points: u64,
    }

    #[command_handler]
    fn score(Score { player, points }: Score) -> Scored {
        Scored { player, points }
    }
}

/// A process that stops in the middle of its first two folds: that of a version, and that of its views which are
/// built again.
pub mod stops {
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Barrier, LazyLock};

    use super::points::Scored;

    /// The environment variable that has a process do so.
    pub const VARIABLE: &str = "CQRS_STOP_IN_FOLDS";

    /// What it prints before.
    pub const STOPS: &str = "stops";

    static FOLDS: AtomicU32 = AtomicU32::new(0);
    static BOTH: Barrier = Barrier::new(2);

    /// Whether this is such a process.
    pub fn is_one() -> bool {
        static IS_ONE: LazyLock<bool> = LazyLock::new(|| std::env::var_os(VARIABLE).is_some());
        *IS_ONE
    }

    /// The event, once the process goes on with it.
    pub fn passed(event: &Scored) -> &Scored {
        if is_one() && FOLDS.fetch_add(1, Ordering::SeqCst) < 2 {
            tokio::task::block_in_place(stop);
        }
        event
    }

    fn stop() {
        if BOTH.wait().is_leader() {
            println!("{STOPS}");
            let id = std::process::id().to_string();
            let status = Command::new("kill").args(["-STOP", &id]).status();
            assert!(status.expect("`kill` runs").success(), "it is not stopped");
        }
        // Neither commits before the process is continued.
        BOTH.wait();
    }
}

/// A program: its version, the points that an event counts for, and a further field of its read model.
macro_rules! program {
    (
        $(#[$doc:meta])*
        $name:ident, $version:tt $(, unchanged = $unchanged:tt)?;
        $points:expr;
        $(#[$index:ident])? $field:ident: $type:ty
    ) => {
        $(#[$doc])*
        pub mod $name {
            use cqrs_core::prelude::*;

            use super::points::Scored;

            cqrs_core::module!();

            #[derive(ReadModel, Clone, Default, Serialize, Deserialize)]
            pub struct Tally {
                #[key]
                pub player: u32,
                pub points: u64,
                $(#[$index])?
                pub $field: $type,
            }

            pub struct Tallies;

            #[projection(
                name = "tallies",
                version = $version,
                partition = "player"
                $(, unchanged = $unchanged)?
            )]
            impl Tallies {
                #[on]
                fn scored(event: &Scored, tallies: &mut Views<Tally>) -> Result<()> {
                    let points: fn(&Scored) -> u64 = $points;
                    let new = Tally { player: event.player, ..Tally::default() };
                    let mut tally = tallies.get(&event.player)?.unwrap_or(new);
                    tally.points += points(event);
                    tallies.put(tally);
                    Ok(())
                }
            }

            #[derive(Query, Clone, Serialize, Deserialize)]
            #[query(returns = u64)]
            pub struct PointsOf {
                pub player: u32,
            }

            #[query_handler]
            async fn points_of(query: PointsOf, tallies: Read<Tally>) -> Result<u64> {
                let tally = tallies.get(&query.player).await?;
                Ok(tally.map_or(0, |tally| tally.points))
            }

            #[derive(Query, Clone, Serialize, Deserialize)]
            #[query(returns = Vec<(u32, u64)>)]
            pub struct AllPoints {}

            #[query_handler]
            async fn all_points(_: AllPoints, tallies: Read<Tally>) -> Result<Vec<(u32, u64)>> {
                let all = tallies.find().all().await?;
                Ok(all.into_iter().map(|tally| (tally.player, tally.points)).collect())
            }
        }
    };
}

program! {
    first, 1;
    |event| event.points;
    level: u32
}

program! {
    /// Another fold without another version.
    changed, 1;
    |event| 0 + event.points;
    level: u32
}

program! {
    /// The same, and said to make no difference.
    accepted, 1, unchanged = "13bf6642daf371b6";
    |event| 0 + event.points;
    level: u32
}

program! {
    /// The attribute was for the change before.
    stale, 1, unchanged = "13bf6642daf371b6";
    |event| 0 + 0 + event.points;
    level: u32
}

program! {
    /// A fold that was wrong is repaired, and its views are to be built again.
    repaired, 1, unchanged = "9be46ef91863fd40";
    |event| event.points * 7;
    level: u32
}

program! {
    /// Another field without another version.
    other_field, 1;
    |event| event.points;
    level: u64
}

program! {
    /// Another index without another version.
    other_index, 1;
    |event| event.points;
    #[index] level: u32
}

program! {
    /// The fields are the same, and their values are not.
    second, 2;
    |event| super::stops::passed(event).points * 10;
    level: u32
}

program! {
    /// Another field.
    third, 3;
    |event| event.points * 100;
    rank: u32
}

program! {
    /// The views are those of the first version.
    fourth, 4;
    |event| event.points;
    level: u32
}

/// The points that an event counts for in the program below, which a test changes while it runs.
pub static WEIGHT: AtomicU64 = AtomicU64::new(1);

fn weight() -> u64 {
    WEIGHT.load(Ordering::SeqCst)
}

program! {
    /// The fold depends on more than its event.
    weighted, 6;
    |event| event.points * super::weight();
    level: u32
}

/// A program with another read model, beside that of the first version.
pub mod fifth {
    use cqrs_core::prelude::*;

    use super::points::Scored;

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Default, Serialize, Deserialize)]
    pub struct Tally {
        #[key]
        pub player: u32,
        pub points: u64,
        pub level: u32,
    }

    /// The players with this number of points at some time.
    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Rank {
        #[key]
        pub points: u64,
        pub players: u64,
    }

    pub struct Tallies;

    #[projection(name = "tallies", version = 5)]
    impl Tallies {
        #[on]
        fn scored(
            event: &Scored,
            tallies: &mut Views<Tally>,
            ranks: &mut Views<Rank>,
        ) -> Result<()> {
            let new = Tally {
                player: event.player,
                ..Tally::default()
            };
            let mut tally = tallies.get(&event.player)?.unwrap_or(new);
            tally.points += event.points;
            let first = || Rank {
                points: tally.points,
                players: 1,
            };
            ranks.upsert(&tally.points, first, |rank| rank.players += 1)?;
            tallies.put(tally);
            Ok(())
        }
    }
}

/// The name of the projection.
pub const NAME: &str = "tallies";

/// A builder for a program on the data of another one.
pub fn beside(other: &Dispatcher, program: Module) -> Builder {
    Dispatcher::builder()
        .module(points::module())
        .module(program)
        .stores_of(other)
}
