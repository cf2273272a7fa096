//! What `build` says about process managers that do not fit together.

use cqrs_core::app::{BuildError, NodeId, NodeKind, Verb};
use cqrs_core::prelude::*;

use crate::support::one_by_one::OneByOne;

mod misfits {
    use std::time::Duration;

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Nothing handles it.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Vanish {
        pub ghost: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Appear {
        pub ghost: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "appeared", version = 1)]
    pub struct Appeared {
        #[id("ghost")]
        pub ghost: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "midnight", version = 1)]
    pub struct Midnight {
        #[id("ghost")]
        pub ghost: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "dawn", version = 1)]
    pub struct Dawn {
        #[id("ghost")]
        pub ghost: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "process:haunting:rejected", version = 1)]
    pub struct Refused {
        #[id("ghost")]
        pub ghost: u32,
    }

    #[command_handler]
    fn appear(Appear { ghost }: Appear) -> Appeared {
        Appeared { ghost }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Haunting;

    #[process_manager(name = "haunting", id("ghost" = u32))]
    impl Haunting {
        #[start]
        fn appeared(&mut self, event: &Appeared) -> (Vanish, Deadline<Midnight>) {
            let Appeared { ghost } = *event;
            let midnight = Deadline::after(Midnight { ghost }, Duration::from_secs(1));
            (Vanish { ghost }, midnight)
        }

        #[due]
        fn dawn(&mut self, _: &Dawn) {}

        #[rejected]
        fn refused(&mut self, _: &Appear, _: &Rejected) {}
    }
}

mod fitting {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "seen", version = 1)]
    pub struct Seen {
        #[id("ghost")]
        pub ghost: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Sightings;

    #[process_manager(name = "sightings", id("ghost" = u32))]
    impl Sightings {
        #[start]
        fn seen(&mut self, _: &Seen) -> End {
            End
        }
    }
}

#[tokio::test]
async fn all_that_does_not_fit_is_reported_together() {
    let builder = Dispatcher::builder()
        .module(misfits::module())
        .store(Memory::new());
    let Err(BuildError::Wiring(problems)) = builder.build().await else {
        panic!("it does not fit");
    };
    let found: Vec<String> = problems
        .iter()
        .map(|problem| problem.what.clone())
        .collect();
    let expected = [
        "command `Vanish` has no handler",
        "process manager `haunting` sets a deadline with the event `midnight`, and no step takes that",
        "process manager `haunting` waits for the event `dawn` of a deadline, which no step sets",
        "process manager `haunting` takes the rejection of the command `Appear`, which no step sends",
        "the event `process:haunting:rejected` has a name that belongs to process managers",
    ];
    for expected in expected {
        assert!(
            found.iter().any(|it| it == expected),
            "{expected}\n{found:#?}"
        );
    }
}

#[tokio::test]
async fn a_store_without_shards_is_refused() {
    let builder = Dispatcher::builder().module(fitting::module());
    let Err(error) = builder
        .log(Memory::new())
        .views(OneByOne::new())
        .build()
        .await
    else {
        panic!("it cannot keep instances");
    };
    let text = error.to_string();
    assert!(
        text.contains("process manager `sightings` keeps its instances in a view store that"),
        "{text}"
    );
}

#[tokio::test]
async fn steps_show_in_the_model() {
    let builder = Dispatcher::builder()
        .module(fitting::module())
        .store(Memory::new());
    let app = builder.build().await.expect("builds");
    let model = app.model();
    let sightings = NodeId::new(NodeKind::ProcessManager, "sightings");
    let edges = model.edges_from(&sightings);
    let handled = edges.filter(|it| it.verb == Verb::Handles && it.to.name == "seen");
    let methods: Vec<_> = handled.map(|it| it.method).collect();
    assert_eq!(methods, [Some("seen")]);
}
