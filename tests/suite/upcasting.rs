//! A program that reads events which an earlier one has recorded: in another version, or under another name. Each
//! domain has the events of an earlier program and of the present one, so the file is over 500 lines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::app::BuildError;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventLog as _, EventQuery, EventType, ReadRange, Tags};
use tokio::sync::mpsc;

use crate::support::stores::on_each;

/// The first version of the program.
mod first {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct SetPrice {
        pub item: u32,
        pub euros: i64,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct LowerPrice {
        pub item: u32,
        pub by: i64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "price-set", version = 1)]
    pub struct PriceSet {
        #[id("item")]
        pub item: u32,
        pub euros: i64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "price-lowered", version = 1)]
    pub struct PriceLowered {
        #[id("item")]
        pub item: u32,
        pub by: i64,
    }

    #[command_handler]
    fn set(SetPrice { item, euros }: SetPrice) -> PriceSet {
        PriceSet { item, euros }
    }

    #[command_handler]
    fn lower(LowerPrice { item, by }: LowerPrice) -> PriceLowered {
        PriceLowered { item, by }
    }
}

/// The third one: prices are in cents since the second, and have a currency since the third. Prices below 0 were
/// a mistake. A price that was lowered is a price that changed.
mod third {
    use cqrs_core::prelude::*;
    use std::sync::Mutex;

    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    cqrs_core::module!();

    #[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[event(name = "price-set", version = 3)]
    pub struct PriceSet {
        #[id(Item)]
        pub item: u32,
        pub cents: i64,
        pub currency: String,
    }

    #[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[event(name = "price-changed", version = 2, was = ["price-lowered"])]
    pub struct PriceChanged {
        #[id(Item)]
        pub item: u32,
        pub cents: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct PriceSetV1 {
        item: u32,
        euros: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct PriceSetV2 {
        item: u32,
        cents: i64,
    }

    #[upcast(event = "price-set", from = 1)]
    fn price_set_v1(old: PriceSetV1) -> Result<Option<PriceSetV2>> {
        let PriceSetV1 { item, euros } = old;
        let Some(cents) = euros.checked_mul(100) else {
            return Err(Error::message(format!("{euros} euros are too many")));
        };
        let new = PriceSetV2 { item, cents };
        Ok((cents >= 0).then_some(new))
    }

    #[upcast(event = "price-set", from = 2)]
    fn price_set_v2(PriceSetV2 { item, cents }: PriceSetV2) -> PriceSet {
        PriceSet {
            item,
            cents,
            currency: "EUR".into(),
        }
    }

    /// Of an event that had another name, too.
    #[upcast(event = "price-changed", from = 1)]
    fn price_changed_v1(mut old: Value) -> Value {
        assert!(old["by"] != json!(13), "13 brings bad luck");
        let by = old["by"].take().as_i64().unwrap_or_default();
        json!({"item": old["item"], "cents": by * -100})
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Item {
        pub cents: i64,
    }

    #[aggregate(id = u32)]
    impl Item {
        #[apply]
        fn set(&mut self, event: &PriceSet) {
            self.cents = event.cents;
        }

        #[apply]
        fn changed(&mut self, event: &PriceChanged) {
            self.cents += event.cents;
        }
    }

    /// Halves the price. While it decides, the first program may lower it.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Halve {
        #[id(Item)]
        pub item: u32,
    }

    /// What the first program does meanwhile, once.
    pub struct Meanwhile(pub Mutex<Option<Dispatcher>>);

    #[command_handler]
    async fn halve(
        cmd: Halve,
        item: &Item,
        first: Service<Meanwhile>,
    ) -> Result<PriceChanged, CommandError> {
        let other = first.0.lock().ok().and_then(|mut it| it.take());
        if let Some(other) = other {
            let lower = super::first::LowerPrice {
                item: cmd.item,
                by: 2,
            };
            let lowered = other.execute(lower).await;
            lowered.map_err(CommandError::failed)?;
        }
        let cents = item.cents / -2;
        Ok(PriceChanged {
            item: cmd.item,
            cents,
        })
    }

    #[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Price {
        #[key]
        pub item: u32,
        pub cents: i64,
        pub currency: String,
    }

    pub struct Prices;

    #[projection(name = "prices", version = 1)]
    impl Prices {
        #[on]
        fn set(event: &PriceSet, prices: &mut Views<Price>) {
            let PriceSet {
                item,
                cents,
                currency,
            } = event.clone();
            prices.put(Price {
                item,
                cents,
                currency,
            });
        }

        #[on]
        fn changed(event: &PriceChanged, prices: &mut Views<Price>) -> Result<()> {
            prices.update(&event.item, |price| price.cents += event.cents)?;
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Option<Price>)]
    pub struct PriceOf {
        pub item: u32,
    }

    #[query_handler]
    async fn price_of(query: PriceOf, prices: Read<Price>) -> Result<Option<Price>> {
        prices.get(&query.item).await
    }

    pub struct Heard(pub mpsc::UnboundedSender<PriceChanged>);

    #[event_handler]
    fn hear(event: PriceChanged, heard: Service<Heard>) -> Result<()> {
        Ok(heard.0.send(event)?)
    }
}

use first::{LowerPrice, SetPrice};
use third::{Halve, Heard, Item, Meanwhile, Price, PriceChanged, PriceOf, PriceSet};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

async fn set(app: &Dispatcher, item: u32, euros: i64) {
    let set = app.execute(SetPrice { item, euros }).await;
    set.expect("is set");
}

async fn lower(app: &Dispatcher, item: u32, by: i64) {
    let lowered = app.execute(LowerPrice { item, by }).await;
    lowered.expect("is lowered");
}

/// The third program on the data of the first.
async fn upgrade(first: &Dispatcher) -> (Dispatcher, mpsc::UnboundedReceiver<PriceChanged>) {
    let (sender, heard) = mpsc::unbounded_channel();
    let meanwhile = Mutex::new(Some(first.clone()));
    let builder = Dispatcher::builder()
        .module(third::module())
        .provide(Arc::new(Heard(sender)))
        .provide(Arc::new(Meanwhile(meanwhile)))
        .retry_for(Duration::from_millis(1));
    let third = builder.stores_of(first).build().await;
    (third.expect("builds"), heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn old_events_are_read_everywhere_in_their_present_form() {
    on_each(first::module(), |first| async move {
        set(&first, 1, 5).await;
        set(&first, 1, -1).await;
        lower(&first, 1, 2).await;
        set(&first, 2, 7).await;
        let (third, mut heard) = upgrade(&first).await;

        // States, decided upon: the first program lowers the price in between, which is a conflict.
        let state = third.state::<Item>(&1).await.expect("is folded");
        assert_eq!(state.cents, 300);
        let receipt = third.execute(Halve { item: 1 }).await.expect("is halved");
        let state = third.state::<Item>(&1).await.expect("is folded");
        assert_eq!(state.cents, 50, "halved after it was lowered once more");

        // Read models.
        let price = |item, cents| Price {
            item,
            cents,
            currency: "EUR".into(),
        };
        for (item, cents) in [(1, 50), (2, 700)] {
            let found = third.query(PriceOf { item }).after(&receipt).await;
            assert_eq!(found.ok().flatten(), Some(price(item, cents)));
        }

        // Reactions.
        for cents in [-200, -200, -50] {
            let changed = heard.recv().await.expect("is heard");
            assert_eq!(changed, PriceChanged { item: 1, cents });
        }

        // Histories, and the log itself.
        let history = third.history::<Item>(&2).all().await.expect("is read");
        let set: PriceSet = history[0].decode().expect("is decoded");
        assert_eq!((set.cents, history[0].data.version), (700, 3));
        let range = ReadRange::after(Position::START);
        let typed = EventQuery::typed(["price-changed"]);
        let page = third.log().read(typed.clone(), range).await;
        assert_eq!(page.expect("is read").events.len(), 3);
        let page = first.log().read(typed, range).await;
        assert_eq!(
            page.expect("is read").events.len(),
            1,
            "it is as it was recorded"
        );
        let all = third.log().read(EventQuery::All, range).await;
        assert_eq!(all.expect("is read").events.len(), 5, "one is left out");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_that_cannot_be_converted_fails_whoever_reads_it() {
    on_each(first::module(), |first| async move {
        set(&first, 1, 5).await;
        set(&first, 2, i64::MAX).await;
        let (third, _heard) = upgrade(&first).await;
        let stopped = third.wait_until_idle(LONG).await.expect_err("stops");
        let text = format!("{} euros are too many", i64::MAX);
        let stopped = stopped.to_string();
        for part in [
            &*text,
            "event `price-set` at position 2 cannot be read",
            "`price_set_v1`",
            file!(),
        ] {
            assert!(stopped.contains(part), "{stopped}");
        }
        let failed = third
            .state::<Item>(&2)
            .await
            .expect_err("fails")
            .to_string();
        assert!(failed.contains(&text), "{failed}");
        assert!(third.state::<Item>(&1).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn an_upcaster_that_panics_is_named() {
    let first = Dispatcher::builder()
        .module(first::module())
        .store(Memory::new());
    let first = first.build().await.expect("builds");
    lower(&first, 1, 13).await;
    let (third, _heard) = upgrade(&first).await;
    let failed = third
        .state::<Item>(&1)
        .await
        .expect_err("fails")
        .to_string();
    assert!(
        failed.contains("13 brings bad luck") && failed.contains("`price_changed_v1`"),
        "{failed}"
    );
}

/// Events and upcasters that do not fit together.
mod misfits {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Clone, Serialize, Deserialize)]
    #[event(name = "tea-made", version = 4, was = ["tea-brewed", "tea-cooked"])]
    pub struct TeaMade {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "soup-cooked", version = 1, was = ["tea-cooked"])]
    pub struct SoupCooked {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "tea-brewed", version = 1)]
    pub struct TeaBrewed {}

    #[upcast(event = "tea-made", from = 1)]
    fn first(old: TeaMade) -> TeaMade {
        old
    }

    #[upcast(event = "tea-made", from = 1)]
    fn first_again(old: TeaMade) -> TeaMade {
        old
    }

    #[upcast(event = "tea-made", from = 3)]
    fn third(old: TeaMade) -> TeaMade {
        old
    }

    #[upcast(event = "tea-made", from = 4)]
    fn present(old: TeaMade) -> TeaMade {
        old
    }

    #[upcast(event = "coffee-made", from = 1)]
    fn coffee(old: TeaMade) -> TeaMade {
        old
    }

    #[upcast(event = "tea-cooked", from = 1)]
    fn renamed(old: TeaMade) -> TeaMade {
        old
    }
}

#[tokio::test]
async fn build_reports_each_event_that_has_no_way_to_its_present_form() {
    let builder = Dispatcher::builder().module(misfits::module());
    let error = builder.store(Memory::new()).build().await;
    let Err(BuildError::Wiring(problems)) = error else {
        panic!("it was built")
    };
    let problems: Vec<_> = problems.iter().map(|it| (&*it.what, &*it.write)).collect();
    let expected = [
        (
            "the events `soup-cooked` and `tea-made` both have the name `tea-cooked`, at present or earlier",
            "it in the `was` of the one that the log has under it",
        ),
        (
            "the events `tea-made` and `tea-brewed` both have the name `tea-brewed`, at present or earlier",
            "it in the `was` of the one that the log has under it",
        ),
        (
            "an upcaster is of the event `coffee-made`, which nothing registers",
            "the wire name of an event, or remove the upcaster",
        ),
        (
            "an upcaster is of the event `tea-cooked`, whose present name is `soup-cooked`",
            "`event = \"soup-cooked\"`",
        ),
        (
            "the event `tea-made` has 2 upcasters from version 1",
            "one of them: remove the others",
        ),
        (
            "an upcaster takes version 4 of the event `tea-made`, which has version 4",
            "`version = 5` in its `#[event(..)]`, if the upcaster converts to its present form",
        ),
        (
            "the event `tea-made` has no upcaster from version 2",
            "`#[upcast(event = \"tea-made\", from = 2)]` on a function from version 2 to 3",
        ),
    ];
    assert_eq!(problems, expected);
}

/// The events of another module.
mod scale {
    use cqrs_core::prelude::*;

    #[derive(Serialize, Deserialize)]
    struct WeightMeasuredV1 {
        kilograms: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "weight-measured", version = 2)]
    pub struct WeightMeasured {
        pub grams: u32,
    }

    #[upcast(event = "weight-measured", from = 1)]
    fn weight_measured_v1(old: WeightMeasuredV1) -> WeightMeasured {
        WeightMeasured {
            grams: old.kilograms * 1000,
        }
    }
}

/// What another program of this process makes of them. It is not given to the builder, either.
mod trial {
    use cqrs_core::prelude::*;

    use super::scale::WeightMeasured;

    #[derive(Serialize, Deserialize)]
    struct WeightMeasuredV1 {
        kilograms: u32,
    }

    #[upcast(event = "weight-measured", from = 1)]
    fn in_tons(old: WeightMeasuredV1) -> WeightMeasured {
        WeightMeasured {
            grams: old.kilograms / 1000,
        }
    }

    #[upcast(event = "weight-measured", from = 2)]
    fn of_the_next_version(now: WeightMeasured) -> WeightMeasured {
        now
    }
}

/// A module that reads them. The other ones are not given to the builder.
mod display {
    use cqrs_core::prelude::*;
    use tokio::sync::mpsc;

    use super::scale::WeightMeasured;

    cqrs_core::module!();

    pub struct Shown(pub mpsc::UnboundedSender<u32>);

    #[event_handler]
    fn show(event: WeightMeasured, shown: Service<Shown>) -> Result<()> {
        Ok(shown.0.send(event.grams)?)
    }
}

#[tokio::test]
async fn events_of_other_modules_have_their_upcasters() {
    let store = Memory::new();
    let old = EventData {
        event_type: EventType::new("weight-measured"),
        version: 1,
        tags: Tags::default(),
        payload: br#"{"kilograms":3}"#.to_vec(),
    };
    let append = Append::new(CommandId::new(), vec![old]);
    store.append(append).await.expect("is appended");
    let (sender, mut shown) = mpsc::unbounded_channel();
    let builder = Dispatcher::builder()
        .module(display::module())
        .provide(Arc::new(display::Shown(sender)));
    let _app = builder.store(store).build().await.expect("builds");
    assert_eq!(shown.recv().await, Some(3000));
}

/// An event that has changed, without an upcaster.
mod parcels {
    use cqrs_core::prelude::*;

    #[derive(Debug, Event, Serialize, Deserialize)]
    #[event(name = "parcel-weighed", version = 2)]
    pub struct ParcelWeighed {
        pub grams: u32,
        pub zone: String,
    }
}

#[tokio::test]
async fn an_event_without_its_upcaster_says_what_to_write() {
    let store = Memory::new();
    let recorded = [
        (1, r#"{"grams":5}"#),
        (2, r#"{"grams":5}"#),
        (2, r#"{"grams":"5","zone":""}"#),
    ];
    let events = recorded.map(|(version, payload)| EventData {
        event_type: EventType::new("parcel-weighed"),
        version,
        tags: Tags::default(),
        payload: payload.as_bytes().to_vec(),
    });
    let append = Append::new(CommandId::new(), events.to_vec());
    store.append(append).await.expect("is appended");
    let page = store.read(EventQuery::All, ReadRange::after(Position::START));
    let page = page.await.expect("is read");
    let endings = [
        ". Version 1 has no upcaster to 2: write `#[upcast(event = \"parcel-weighed\", from = 1)]`, or give the \
         field `zone` a default: `#[serde(default)]`",
        ". If it was recorded by an earlier program, raise its `version` to 3 and write `#[upcast(event = \
         \"parcel-weighed\", from = 2)]`, or give the field `zone` a default: `#[serde(default)]`",
        ". If it was recorded by an earlier program, raise its `version` to 3 and write `#[upcast(event = \
         \"parcel-weighed\", from = 2)]`",
    ];
    assert_eq!(page.events.len(), endings.len());
    for (event, ending) in page.events.iter().zip(endings) {
        let error = event.decode::<parcels::ParcelWeighed>();
        let error = error.expect_err("it has another form").to_string();
        assert!(
            error.starts_with("event `parcel-weighed` (version "),
            "{error}"
        );
        assert!(error.ends_with(ending), "{error}");
    }
}
