//! Stored states, instances and read models that were folded with other upcasters than those of the program.

use std::time::Duration;

use cqrs_core::app::BuildError;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventType, StateKey, Tag, Tags};

use crate::support::stores::on_each;

/// Tanks. In version 1, events had gallons.
mod tanks {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Fill {
        #[id(Tank)]
        pub tank: u32,
        pub liters: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "tank-filled", version = 2)]
    pub struct Filled {
        #[id(Tank)]
        pub tank: u32,
        pub liters: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Tank {
        pub liters: u32,
    }

    #[aggregate(id = u32, storage = "state")]
    impl Tank {
        #[apply]
        fn filled(&mut self, event: &Filled) {
            self.liters += event.liters;
        }
    }

    #[command_handler]
    fn fill(Fill { tank, liters }: Fill, _: &Tank) -> Filled {
        Filled { tank, liters }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Gauge {
        pub liters: u32,
    }

    #[process_manager(name = "gauge", id(Tank = u32))]
    impl Gauge {
        #[start]
        fn filled(&mut self, event: &Filled) {
            self.liters += event.liters;
        }
    }
}

/// What converts the events of version 1.
mod gallons {
    use cqrs_core::prelude::*;
    use serde_json::{Value, json};

    cqrs_core::module!();

    #[upcast(event = "tank-filled", from = 1)]
    fn tank_filled_v1(old: Value) -> Value {
        let liters = old["liters"].as_u64().map(|gallons| gallons * 4);
        json!({"tank": old["tank"], "liters": liters})
    }
}

/// A read model of them.
mod levels {
    use cqrs_core::prelude::*;

    use super::tanks::Filled;

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Level {
        #[key]
        pub tank: u32,
        pub liters: u32,
    }

    pub struct Levels;

    #[projection(name = "levels", version = 1)]
    impl Levels {
        #[on]
        fn filled(event: &Filled, levels: &mut Views<Level>) {
            let Filled { tank, liters } = *event;
            levels.put(Level { tank, liters });
        }
    }
}

use tanks::{Fill, Gauge, Tank};

async fn fill(app: &Dispatcher, liters: u32) {
    app.execute(Fill { tank: 1, liters })
        .await
        .expect("is filled");
}

async fn liters(app: &Dispatcher) -> [u32; 2] {
    let tank = app.state::<Tank>(&1).await.expect("is folded");
    let gauge = app.process::<Gauge>(&1).await.expect("is read");
    [tank.liters, gauge.expect("it has begun").state.liters]
}

/// The stored state, as the log of this program shows it.
async fn stored(app: &Dispatcher) -> String {
    let key = StateKey {
        aggregate: "tank",
        id: "1".to_owned(),
    };
    let states = app.log().capabilities().states.expect("has states");
    let mut found = states.states(vec![key]).await.expect("are read");
    let state = found.remove(0).expect("it is stored");
    String::from_utf8(state.body).expect("is JSON")
}

/// Records an event of version 1.
async fn record_old(app: &Dispatcher) {
    let old = EventData {
        event_type: EventType::new("tank-filled"),
        version: 1,
        tags: Tags::from(Tag::new("tank", 1)),
        payload: br#"{"tank":1,"liters":5}"#.to_vec(),
    };
    let append = Append::new(CommandId::new(), vec![old]);
    app.log().append(append).await.expect("is appended");
}

async fn idle(app: &Dispatcher) {
    let idle = app.wait_until_idle(Duration::from_secs(60)).await;
    idle.expect("comes to rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_folded_with_other_upcasters_is_folded_again() {
    on_each(tanks::module(), async |plain| {
        record_old(&plain).await;
        fill(&plain, 1).await;
        idle(&plain).await;
        assert_eq!(liters(&plain).await, [6, 6]);
        assert!(stored(&plain).await.starts_with(r#"{"fingerprint":"#));

        let builder = Dispatcher::builder()
            .module(tanks::module())
            .module(gallons::module());
        let converting = builder.stores_of(&plain).build().await.expect("builds");
        assert_eq!(stored(&converting).await, "", "it does not fit");
        assert_eq!(liters(&converting).await, [21, 21]);
        fill(&converting, 1).await;
        idle(&converting).await;
        assert_eq!(liters(&converting).await[0], 22);
        assert!(stored(&converting).await.starts_with(r#"{"fingerprint":"#));
        assert!(stored(&plain).await.starts_with(r#"{"conversions":""#));

        // The program without the upcaster still runs, and folds them its way.
        assert_eq!(liters(&plain).await[0], 7);
        fill(&plain, 1).await;
        assert_eq!(liters(&plain).await[0], 8);
        assert_eq!(liters(&converting).await[0], 23);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn build_reports_views_that_were_folded_with_other_upcasters() {
    on_each(tanks::module(), async |tanks| {
        let builder = || {
            let builder = Dispatcher::builder()
                .module(tanks::module())
                .module(levels::module());
            builder.stores_of(&tanks)
        };
        let plain = builder().build().await.expect("builds");
        let refused = builder().module(gallons::module()).build().await;
        let Err(BuildError::Wiring(problems)) = refused else {
            panic!("it was built")
        };
        assert_eq!(
            problems[0].what,
            "version 1 of projection `levels` was built by other code: `#[upcast] fn tank_filled_v1` is new"
        );
        plain.shutdown(Duration::from_secs(60)).await.expect("ends");
    })
    .await;
}
