use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::store::{
    Division, EventLog, EventQuery, Events, ReadRange, Recorded, ViewStore as _,
};
use cqrs_postgres::Postgres;

use crate::domain::{self, AllCounts, Count, Stepped};

/// Time that what is left of the work does not need.
const LONG: Duration = Duration::from_secs(120);

/// Divides the reaction into shards, before it runs, so that it keeps pace.
pub async fn divide(url: &str) {
    let store = Postgres::connect(url).await.expect("connects");
    let division = Division::even("reaction:echoing", "counter", 4);
    let shards = store.view_capabilities().shards.expect("it has shards");
    let divided = shards.divide(division.expect("few shards")).await;
    assert!(divided.expect("it is decided"), "it has not run");
}

/// Compares the log with what was acknowledged and with a sequential model, the views with a replay, and the
/// commands of the reaction with the events that they are due to. Returns the number of events.
pub async fn audit(url: &str, acknowledged: &[String]) -> u64 {
    let store = Postgres::options().retry_timeout(LONG).connect(url).await;
    let store = Arc::new(store.expect("connects"));
    let builder = Dispatcher::builder().module(domain::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    app.wait_until_idle(LONG).await.expect("comes to rest");

    let mut acknowledged: HashSet<&str> = acknowledged.iter().map(String::as_str).collect();
    let mut commands = HashSet::new();
    let mut steps = HashSet::new();
    let mut echoes: HashMap<_, u32> = HashMap::new();
    let mut replayed: BTreeMap<u32, Count> = BTreeMap::new();
    let events = log(&*store).await;
    for (event, position) in events.iter().zip(1_u64..) {
        assert_eq!(
            event.position.get(),
            position,
            "there is a gap, or a double"
        );
        let command = event.meta.command.as_uuid();
        assert!(commands.insert(command), "{command} was carried out twice");
        acknowledged.remove(command.to_string().as_str());
        let tag = event.data.tags.iter().next().expect("a tag");
        let counter: u32 = tag.id().parse().expect("a number");
        let is_echo = event.data.event_type.as_str() == "echoed";
        let count = replayed.entry(counter).or_insert_with(|| Count {
            counter,
            ..Count::default()
        });
        count.change(event.position, is_echo);
        if is_echo {
            *echoes.entry(event.meta.causation).or_default() += 1;
        } else {
            let stepped: Stepped = event.decode().expect("it decodes");
            assert_eq!(
                stepped.number, count.steps,
                "the decision about {stepped:?}"
            );
            steps.insert(event.meta.id.as_uuid());
        }
    }
    assert!(acknowledged.is_empty(), "lost: {acknowledged:?}");
    for step in &steps {
        let count = echoes.remove(step);
        assert_eq!(count, Some(1), "echoes of the step {step}");
    }
    assert!(echoes.is_empty(), "echoes of nothing: {echoes:?}");
    let views = app.query(AllCounts).await.expect("answers");
    let replayed: Vec<_> = replayed.into_values().collect();
    let mut by_counter: Vec<Count> = views;
    by_counter.sort_by_key(|count| count.counter);
    assert_eq!(by_counter, replayed, "the views are not those of a replay");
    app.shutdown(LONG).await.expect("shuts down");
    events.len() as u64
}

async fn log(store: &dyn EventLog) -> Vec<Arc<Recorded>> {
    let mut events = Events::read(store, EventQuery::All, ReadRange::after(Position::START));
    let mut all = Vec::new();
    while let Some(event) = events.next().await.expect("the log can be read") {
        all.push(event);
    }
    all
}
