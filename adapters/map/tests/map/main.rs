//! The map of a domain that has everything, in all formats.

mod browser;
mod formats;
#[expect(clippy::unused_self, reason = "a state may be of no use")]
mod hostile;
#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "a state may be of no use, and an answer optional"
)]
mod library;
mod observed;
mod page;
mod paths;

use cqrs_core::app::{Model, model};
use cqrs_map::FlowMap;

/// The model of one module of this program.
fn model_of(module: &str) -> Model {
    let mut model = model();
    let is_inside = |place: &str| place.starts_with(&format!("map::{module}"));
    model.nodes.retain(|node| is_inside(node.source.module));
    model.edges.retain(|edge| is_inside(edge.source.module));
    model
}

fn library() -> FlowMap {
    FlowMap::new(&model_of("library")).title("Library")
}

fn hostile_map() -> FlowMap {
    FlowMap::new(&model_of("hostile")).title("</title><script>document.title = 'broken'</script>")
}
