//! Reactions that return the commands to send.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cqrs_core::app::Verb;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, ReadRange};
use cqrs_core::{Memory, Position};

use crate::support::stores::on_each;

/// Parcels that are packed, labelled and sent.
mod parcels {
    use std::sync::atomic::{AtomicBool, Ordering};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Whether no parcel can be sent.
    pub static STRIKE: AtomicBool = AtomicBool::new(false);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Pack {
        pub parcel: u32,
    }

    #[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Label {
        pub parcel: u32,
        pub copy: u32,
    }

    #[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Dispatch {
        pub parcel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "packed", version = 1)]
    pub struct Packed {
        #[id("parcel")]
        pub parcel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "labelled", version = 1)]
    pub struct Labelled {
        #[id("parcel")]
        pub parcel: u32,
        pub copy: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "dispatched", version = 1)]
    pub struct Dispatched {
        #[id("parcel")]
        pub parcel: u32,
    }

    #[command_handler]
    fn pack(Pack { parcel }: Pack) -> Packed {
        Packed { parcel }
    }

    #[command_handler]
    fn label(Label { parcel, copy }: Label) -> Labelled {
        Labelled { parcel, copy }
    }

    #[command_handler]
    fn dispatch(Dispatch { parcel }: Dispatch) -> Result<Dispatched, Rejected> {
        let strikes = STRIKE.load(Ordering::SeqCst);
        ensure!(!strikes, "nobody drives");
        Ok(Dispatched { parcel })
    }

    /// Two copies for parcels with an even number.
    #[event_handler]
    pub fn print(event: Packed) -> (Label, Option<Label>) {
        let label = |copy| Label {
            parcel: event.parcel,
            copy,
        };
        (label(1), event.parcel.is_multiple_of(2).then(|| label(2)))
    }

    #[event_handler]
    async fn send(event: Packed, _: &Dispatcher) -> Result<Vec<Dispatch>> {
        let Packed { parcel } = event;
        Ok(vec![Dispatch { parcel }, Dispatch { parcel }])
    }
}

use parcels::{Label, Pack, Packed, STRIKE};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

async fn pack(app: &Dispatcher, parcel: u32) {
    app.execute(Pack { parcel }).await.expect("is packed");
}

/// The events of this type, in order.
async fn events(app: &Dispatcher, event: &'static str) -> Vec<Arc<Recorded>> {
    let range = ReadRange::after(Position::START);
    let page = app.log().read(EventQuery::typed([event]), range).await;
    page.expect("is read").events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_commands_of_a_reaction_are_carried_out_in_order_and_belong_to_its_event() {
    on_each(parcels::module(), |app| async move {
        pack(&app, 1).await;
        pack(&app, 2).await;
        app.wait_until_idle(LONG).await.expect("comes to rest");
        let packed = events(&app, "packed").await;
        let labelled = events(&app, "labelled").await;
        let bodies: Vec<_> = labelled.iter().map(|it| it.data.payload.clone()).collect();
        let expected = [(1, 1), (2, 1), (2, 2)]
            .map(|(parcel, copy)| format!("{{\"parcel\":{parcel},\"copy\":{copy}}}"));
        assert_eq!(bodies, expected.map(String::into_bytes));
        let causes: Vec<_> = labelled.iter().map(|it| it.meta.causation).collect();
        let [first, second] = [0, 1].map(|place| packed[place].meta.id.as_uuid());
        assert_eq!(causes, [first, second, second]);
        assert_eq!(labelled[0].meta.correlation, packed[0].meta.correlation);
        // Equal commands are several.
        assert_eq!(events(&app, "dispatched").await.len(), 4);
    })
    .await;
}

#[test]
fn a_reaction_is_tested_as_a_function() {
    let (first, second) = parcels::print(Packed { parcel: 2 });
    assert_eq!(
        (first.copy, second),
        (1, Some(Label { parcel: 2, copy: 2 }))
    );
}

#[tokio::test]
async fn a_rejected_command_is_a_failure_of_the_reaction_and_each_command_has_one_effect() {
    let app = Dispatcher::builder().module(parcels::module());
    let app = app.store(Memory::new()).retry_for(Duration::from_millis(1));
    let app = app.build().await.expect("builds");
    STRIKE.store(true, Ordering::SeqCst);
    pack(&app, 4).await;
    let stopped = app.wait_until_idle(LONG).await;
    let stopped = stopped.expect_err("it stops").to_string();
    let text = "its command `Dispatch` was not carried out: nobody drives";
    assert!(stopped.contains(text), "{stopped}");
    STRIKE.store(false, Ordering::SeqCst);
    let retried = app.subscriptions().retry("send").await;
    retried.expect("is retried");
    app.wait_until_idle(LONG).await.expect("comes to rest");
    assert_eq!(events(&app, "dispatched").await.len(), 2);
}

#[tokio::test]
async fn the_model_has_the_commands_that_a_reaction_returns() {
    let app = Dispatcher::builder().module(parcels::module());
    let app = app.store(Memory::new()).build().await.expect("builds");
    let model = app.model();
    let edges = model.edges.iter().filter(|it| it.verb == Verb::Sends);
    let sends: Vec<_> = edges.map(|it| (&*it.from.name, &*it.to.name)).collect();
    assert_eq!(sends, [("print", "Label"), ("send", "Dispatch")]);
}
