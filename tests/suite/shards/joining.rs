//! Processes that join and leave beside the owner of a shard.

use std::time::Duration;

use cqrs_core::Memory;
use cqrs_core::prelude::*;
use cqrs_core::store::{ShardStore as _, WorkerId};
use tokio::time::sleep;

/// Balloons, with a single shard.
mod balloons {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct ReleaseBalloon {
        pub balloon: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "balloon-released", version = 1)]
    pub struct BalloonReleased {
        #[id("balloon")]
        pub balloon: u32,
    }

    #[command_handler]
    fn release(ReleaseBalloon { balloon }: ReleaseBalloon) -> BalloonReleased {
        BalloonReleased { balloon }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Balloon {
        #[key]
        pub id: u32,
    }

    pub struct Balloons;

    #[projection(name = "balloons", version = 1)]
    impl Balloons {
        #[on]
        fn released(event: &BalloonReleased, balloons: &mut Views<Balloon>) {
            balloons.put(Balloon { id: event.balloon });
        }
    }
}

use balloons::ReleaseBalloon;

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// More than between two signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);

async fn join(store: &Memory) -> Dispatcher {
    let builder = Dispatcher::builder().module(balloons::module());
    let app = builder.store(store.clone()).build().await;
    app.expect("builds")
}

/// Releases a balloon, and waits until the projection has the event.
async fn release(app: &Dispatcher, balloon: u32) {
    let released = app.execute(ReleaseBalloon { balloon }).await;
    released.expect("is released");
    app.wait_until_idle(LONG).await.expect("comes to rest");
}

async fn owner(store: &Memory) -> Option<WorkerId> {
    let stored = store.shards("projection:balloons:1".to_owned()).await;
    stored.expect("is read").first().and_then(|it| it.owner)
}

/// It has its share, whichever of them a hash would prefer.
#[tokio::test(start_paused = true)]
async fn the_owner_of_the_only_shard_keeps_it_while_others_join_and_leave() {
    let store = Memory::new();
    let first = join(&store).await;
    release(&first, 1).await;
    let holder = owner(&store).await;
    assert!(holder.is_some(), "it has handled the event");
    let mut others = Vec::new();
    for _ in 0..12 {
        others.push(join(&store).await);
        sleep(SIGN_OF_LIFE).await;
        assert_eq!(owner(&store).await, holder);
    }
    for other in others.drain(1..) {
        other.shutdown(LONG).await.expect("shuts down");
        assert_eq!(owner(&store).await, holder);
    }
    first.shutdown(LONG).await.expect("shuts down");
    release(&others[0], 2).await;
    assert_ne!(owner(&store).await, holder, "another one takes over");
}
