//! What has become of the work after all, compared with a replay of the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::Process;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventLog, EventQuery, Events, ReadRange, Recorded, Store};

use super::domain::parcels::{Parcel, is_refused};
use super::domain::visits::{Kind, Visit};
use super::domain::{self, AllMeters, Meter};

/// Time that the work of no test needs, however long its backlog is.
const LONG: Duration = Duration::from_secs(120);

/// The steps of instances, in the order of the log.
type Instances = BTreeMap<u64, Vec<String>>;

/// The numbers of readings, and of instances by their tags.
#[derive(Debug)]
pub struct Counts {
    readings: u32,
    visits: usize,
    parcels: usize,
}

impl Counts {
    pub fn are_over(&self, least: u32) -> bool {
        let least_instances = least as usize;
        self.readings > least && self.visits > least_instances && self.parcels > least_instances
    }
}

/// Lets a last process finish the work, and compares it with the log.
pub async fn audit(store: impl Store) -> Result<Counts, String> {
    let store = Arc::new(store);
    let builder = Dispatcher::builder().module(domain::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    app.wait_until_idle(LONG).await.expect("comes to rest");
    let (views, total) = app.query(AllMeters).await.expect("answers");
    let mut replayed: BTreeMap<u32, Meter> = BTreeMap::new();
    // The commands of the reaction by the event that caused them.
    let mut bills: HashMap<_, u32> = HashMap::new();
    let mut readings = HashMap::new();
    let mut visits = Instances::new();
    let mut parcels = Instances::new();
    for event in log(&*store).await {
        let tag = event.data.tags.iter().next().expect("a tag");
        let instances = match tag.name() {
            "visit" => Some(&mut visits),
            "parcel" => Some(&mut parcels),
            _ => None,
        };
        if let Some(instances) = instances {
            for tag in &event.data.tags {
                let id = tag.id().parse().expect("a number");
                instances.entry(id).or_default().push(step(&event));
            }
            continue;
        }
        let meter = tag.id();
        let meter: u32 = meter.parse().expect("a number");
        let is_bill = event.data.event_type.as_str() == "billed";
        if is_bill {
            *bills.entry(event.meta.causation).or_default() += 1;
        } else {
            readings.insert(event.meta.id.as_uuid(), meter);
        }
        let view = replayed.entry(meter).or_insert_with(|| Meter {
            id: meter,
            ..Meter::default()
        });
        view.change(event.position, is_bill);
    }
    for reading in readings.keys() {
        match bills.remove(reading) {
            Some(1) => {}
            bills => return Err(format!("{bills:?} bills for the reading {reading}")),
        }
    }
    if !bills.is_empty() {
        return Err(format!("bills without a reading: {bills:?}"));
    }
    for view in &views {
        let replayed = replayed.remove(&view.id);
        if replayed.as_ref() != Some(view) {
            return Err(format!("{view:?}, but a replay says {replayed:?}"));
        }
    }
    if !replayed.is_empty() {
        return Err(format!("views are missing: {replayed:?}"));
    }
    let expected = u32::try_from(readings.len()).expect("not so many");
    if total != expected {
        return Err(format!("{total} readings in all, but there are {expected}"));
    }
    for (visit, steps) in &visits {
        audit_visit(&app, *visit, steps).await?;
    }
    for (parcel, steps) in &parcels {
        audit_parcel(&app, *parcel, steps).await?;
    }
    app.shutdown(LONG).await.expect("shuts down");
    Ok(Counts {
        readings: total,
        visits: visits.len(),
        parcels: parcels.len(),
    })
}

/// The step for which an event stands.
fn step(event: &Recorded) -> String {
    let name = event.data.event_type.as_str();
    let step = name.split_once('-').map_or("refused", |(_, step)| step);
    step.to_owned()
}

/// Compares an instance with its events, each of which has to be there once, in an order that its kind allows.
async fn audit_visit(app: &Dispatcher, visit: u64, steps: &[String]) -> Result<(), String> {
    let orders: &[&[&str]] = match Kind::of(visit) {
        Kind::Confirmed | Kind::Canceled => &[&["planned", "confirmed"]],
        Kind::Refused => &[&["planned", "refused", "escalated"]],
        Kind::Overdue => &[
            &["planned", "confirmed", "overdue", "escalated"],
            &["planned", "overdue", "confirmed", "escalated"],
        ],
    };
    if !orders.iter().any(|order| *order == steps) {
        return Err(format!("visit {visit} has come to {steps:?}"));
    }
    let found = app.process::<Visit>(&visit).await.expect("is read");
    let Some(instance) = found else {
        return Err(format!("visit {visit} has no instance"));
    };
    let is_over = is_at_rest(&instance) && instance.ended.is_some();
    if !is_over || !steps.starts_with(&instance.state.steps) {
        let own = &instance.state.steps;
        return Err(format!(
            "visit {visit}: {own:?} of {steps:?}, over: {is_over}"
        ));
    }
    Ok(())
}

/// Compares an instance with the events of its parcel. A process may be killed between the loading of a van and its
/// return, and may fail to record one of them.
async fn audit_parcel(app: &Dispatcher, parcel: u64, steps: &[String]) -> Result<(), String> {
    let found = app.process::<Parcel>(&parcel).await.expect("is read");
    if steps == ["emptied"] {
        return match found {
            None => Ok(()),
            Some(_) => Err(format!("parcel {parcel} was not in a van")),
        };
    }
    let mut way = steps.to_vec();
    let emptied = way.iter().position(|step| step == "emptied");
    if let Some(place) = emptied {
        way.remove(place);
    }
    let expected: &[&str] = if is_refused(parcel) {
        &["loaded", "refused", "returned"]
    } else {
        &["loaded", "delivered"]
    };
    if way != expected {
        return Err(format!("parcel {parcel} has come to {steps:?}"));
    }
    let Some(instance) = found else {
        return Err(format!("parcel {parcel} has no instance"));
    };
    let is_over = instance.ended.is_some();
    if !is_at_rest(&instance) || is_over != emptied.is_some() || instance.state.steps != steps {
        let own = &instance.state.steps;
        return Err(format!(
            "parcel {parcel}: {own:?} of {steps:?}, over: {is_over}"
        ));
    }
    Ok(())
}

fn is_at_rest<P>(instance: &Process<P>) -> bool {
    instance.commands.is_empty() && instance.deadlines.is_empty()
}

async fn log(store: &dyn EventLog) -> Vec<Arc<Recorded>> {
    let mut events = Events::read(store, EventQuery::All, ReadRange::after(Position::START));
    let mut all = Vec::new();
    while let Some(event) = events.next().await.expect("the log can be read") {
        all.push(event);
    }
    all
}
