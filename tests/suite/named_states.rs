//! The state of an aggregate by its name, as JSON: now, at a position, at a time, after each event.

use cqrs_core::app::{Builder, HeldPermissions, NodeKind, StateCall};
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use serde::Serializer;
use serde_json::{Value, json};

use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct WaterPlant {
    #[id(Plant)]
    plant: String,
    liters: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "plant-watered", version = 1)]
pub struct PlantWatered {
    #[id(Plant)]
    plant: String,
    liters: u32,
}

#[command_handler]
fn water(WaterPlant { plant, liters }: WaterPlant, _: &Plant) -> PlantWatered {
    PlantWatered { plant, liters }
}

/// Nothing folds its events.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ShowPlant {
    #[id(Plant)]
    plant: String,
    #[id(Bed)]
    bed: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "plant-shown", version = 1)]
pub struct PlantShown {
    #[id(Plant)]
    plant: String,
    #[id(Bed)]
    bed: u32,
}

#[command_handler]
fn show(ShowPlant { plant, bed }: ShowPlant) -> PlantShown {
    PlantShown { plant, bed }
}

/// Stored after every second event, so that earlier states are those of the log alone.
#[derive(Default, Serialize, Deserialize)]
pub struct Plant {
    liters: u32,
    times: u32,
}

#[aggregate(id = String, snapshot_every = 2)]
impl Plant {
    #[apply]
    fn watered(&mut self, event: &PlantWatered) {
        self.liters += event.liters;
        self.times += 1;
    }
}

/// It is not `Serialize`.
#[derive(Default)]
pub struct Bed {
    shows: u32,
}

#[aggregate(id = u32, permission = "beds:read")]
impl Bed {
    #[apply]
    fn shown(&mut self, _: &PlantShown) {
        self.shows += 1;
    }
}

/// A plant in a bed.
#[derive(Default, Serialize)]
pub struct Place {
    shows: u32,
}

#[aggregate(ids(Plant = String, Bed = u32))]
impl Place {
    #[apply]
    fn shown(&mut self, _: &PlantShown) {
        self.shows += 1;
    }
}

/// Its state cannot be written.
#[derive(Default)]
pub struct Thorn;

impl Serialize for Thorn {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        panic!("it pricks")
    }
}

#[aggregate(id = String, name = "thorn")]
impl Thorn {
    #[apply]
    fn grown(&mut self, _: &ThornGrown) {}
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "thorn-grown", version = 1)]
pub struct ThornGrown {
    #[id(Thorn)]
    thorn: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct GrowThorn {
    #[id(Thorn)]
    thorn: String,
}

#[command_handler]
fn grow(GrowThorn { thorn }: GrowThorn) -> ThornGrown {
    ThornGrown { thorn }
}

fn held(builder: Builder) -> Builder {
    let builder = builder.log_permission("log:read");
    builder.authorizer(HeldPermissions)
}

/// An actor who may read the log.
fn auditor() -> Actor {
    Actor::new("auditor").with("log:read")
}

/// The state of an aggregate that names no permission.
fn state<'d>(app: &'d Dispatcher, name: &str, ids: &[&str]) -> StateCall<'d, Value> {
    let call = app.state_json(name, ids).expect("is known");
    call.actor(auditor())
}

async fn water_three_times(app: &Dispatcher) -> Vec<Position> {
    let mut positions = Vec::new();
    for liters in [1, 2, 4] {
        let plant = "fern".to_owned();
        let watered = app.execute(WaterPlant { plant, liters }).await;
        positions.push(watered.expect("is recorded").last());
        let plant = "moss".to_owned();
        app.execute(WaterPlant { plant, liters })
            .await
            .expect("is recorded");
    }
    let plant = "fern".to_owned();
    let shown = app.execute(ShowPlant { plant, bed: 7 }).await;
    positions.push(shown.expect("is recorded").last());
    positions
}

#[tokio::test]
async fn a_state_is_known_by_name_at_every_position() {
    on_each_with(module(), held, |app| async move {
        let positions = water_three_times(&app).await;
        let fern = || state(&app, "plant", &["fern"]);
        let after = |times: usize| {
            let liters = [0, 1, 3, 7][times];
            Some(json!({"liters": liters, "times": times}))
        };
        assert_eq!(fern().await.expect("reads"), after(3));
        for (place, position) in positions.iter().enumerate() {
            let at = |position| async move { fern().at(position).await.expect("reads") };
            assert_eq!(at(position.before()).await, after(place.min(3)));
            assert_eq!(at(*position).await, after((place + 1).min(3)));
        }
        assert_eq!(fern().at(Position::START).await.expect("reads"), after(0));
        let unknown = state(&app, "plant", &["oak"]).await;
        assert_eq!(unknown.expect("reads"), after(0));
        let events = app
            .events(EventQuery::All)
            .actor(auditor())
            .all()
            .await
            .expect("reads");
        let time = events.last().expect("is there").meta.time;
        assert_eq!(fern().at_time(time).await.expect("reads"), after(3));
        let before = "2000-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(fern().at_time(before).await.expect("reads"), after(0));
    })
    .await;
}

#[tokio::test]
async fn a_timeline_has_the_state_after_each_event() {
    on_each_with(module(), held, |app| async move {
        let positions = water_three_times(&app).await;
        let fern = state(&app, "plant", &["fern"]);
        let timeline = async |after, limit| {
            let steps = fern.timeline(after, limit).await.expect("reads");
            let steps = steps.into_iter().map(|(event, state)| {
                let times = state.expect("is shown")["times"].clone();
                (event.position, times.as_u64().unwrap_or_default())
            });
            steps.collect::<Vec<_>>()
        };
        // An event that nothing folds is one of the plant as well.
        let all: Vec<_> = positions.iter().copied().zip([1, 2, 3, 3]).collect();
        assert_eq!(timeline(Position::START, 100).await, all);
        assert_eq!(timeline(Position::START, 2).await, all[..2]);
        assert_eq!(timeline(positions[0], 2).await, all[1..3]);
        assert_eq!(timeline(positions[3], 2).await, []);
        let history = fern.history().all().await.expect("reads");
        assert_eq!(history.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn several_ids_are_those_of_the_attribute_in_its_order() {
    on_each_with(module(), held, |app| async move {
        water_three_times(&app).await;
        let place = state(&app, "place", &["fern", "7"]);
        assert_eq!(place.await.expect("reads"), Some(json!({"shows": 1})));
        let place = state(&app, "place", &["fern", "8"]);
        assert_eq!(place.await.expect("reads"), Some(json!({"shows": 0})));
        let node = app.model();
        let node = node.node(NodeKind::Aggregate, "place").expect("is there");
        assert_eq!(node.ids, ["plant", "bed"]);
        for ids in [&["fern"] as &[_], &[], &["fern", "7", "1"]] {
            let error = app.state_json("place", ids).err().expect("is refused");
            assert_eq!(
                error.to_string(),
                "invalid query: `place` has several ids: plant, bed"
            );
        }
        let error = app
            .state_json("plent", &["fern"])
            .err()
            .expect("is refused");
        assert!(matches!(error.kind(), QueryErrorKind::Unknown(_)));
        assert_eq!(
            error.to_string(),
            "there is no aggregate `plent`: did you mean `plant`?"
        );
    })
    .await;
}

#[tokio::test]
async fn a_state_that_is_not_serialize_is_not_shown() {
    on_each_with(module(), held, |app| async move {
        water_three_times(&app).await;
        let bed = || app.state_json("bed", &["7"]).expect("is known");
        let denied = bed().await.expect_err("is refused");
        assert!(matches!(denied.kind(), QueryErrorKind::Denied(_)));
        assert!(bed().timeline(Position::START, 1).await.is_err());
        assert!(bed().history().all().await.is_err());
        let gardener = || Actor::new("gardener").with("beds:read");
        assert_eq!(bed().actor(gardener()).await.expect("reads"), None);
        let call = bed().actor(gardener());
        let steps = call.timeline(Position::START, 9).await.expect("reads");
        let states: Vec<_> = steps.iter().map(|(_, state)| state.as_ref()).collect();
        assert_eq!(states, [None::<&Value>]);
        assert_eq!(call.history().all().await.expect("reads").len(), 1);
        // It is folded all the same for those who have the type.
        let typed = app.state::<Bed>(&7).actor(gardener()).await;
        assert_eq!(typed.expect("reads").shows, 1);
    })
    .await;
}

#[tokio::test]
async fn without_a_permission_of_its_own_a_state_needs_that_of_the_log() {
    on_each_with(module(), held, |app| async move {
        water_three_times(&app).await;
        let fern = || app.state_json("plant", &["fern"]).expect("is known");
        assert!(fern().await.is_err());
        assert!(fern().actor(auditor()).await.is_ok());
        assert!(fern().actor(auditor()).history().all().await.is_ok());
        // The permission of an aggregate takes the place of that of the log.
        assert!(state(&app, "bed", &["7"]).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_panic_while_a_state_is_shown_is_an_error() {
    on_each_with(module(), held, |app| async move {
        let thorn = "t".to_owned();
        app.execute(GrowThorn { thorn }).await.expect("is recorded");
        let error = state(&app, "thorn", &["t"])
            .await
            .expect_err("fails")
            .to_string();
        assert!(error.contains("`Thorn::serialize` panicked"), "{error}");
        assert!(error.contains("it pricks"), "{error}");
    })
    .await;
}
